"""The figures of ``bench placement`` as a page and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulations.bench.axes import ends, scale

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 340, 70, 50

INTRODUCTION = """# The optimizer's levels

Written by `headrace bench placement`. Every solve, verdict and peer runs in a process of its own, one after the other, on the machine that
wrote this page. Gap = (cost - bound) / cost, with nobody's demand left out; `verified` is the verdict of `headrace verify`, which knows
nothing but the problem, the plan and the certificate, and proves its bound in integers; the peer is greedy, cheapest first.
"""
GROWTH = "Seconds until a checked plan is proven within {gap:.0%} of the bound, on problems of the profile `{profile}`:"
ONLINE = "One deployment placed beside the decided fleet: {p50_ms:g} ms in the median, {p99_ms:g} ms at the 99th percentile."


def write(figures: dict[str, Any], folder: Path) -> None:
    """Write ``optimizer-levels.md``, and the plot of growth where it was measured."""
    parts = [INTRODUCTION]
    for name, level in figures.get("levels", {}).items():
        parts.append(_level(name, level))
    if "growth" in figures:
        (folder / "optimizer-growth.svg").write_text(plot(figures["growth"]), encoding="utf-8")
        parts.append(_growth(figures["growth"]))
    (folder / "optimizer-levels.md").write_text("\n".join(parts), encoding="utf-8")


def _level(name: str, level: dict[str, Any]) -> str:
    solves = {limit: row for limit, row in level.items() if isinstance(row, dict) and "solve_s" in row}
    lines = [
        f"## {name}\n",
        f"{level['deployments']} deployments, {level['clusters']} clusters, {level['offers']} offers, {level['replicas']} replicas run "
        f"already; cheapest first: {level['peer_usd_per_h']:,.2f} USD/h, {level['peer_unmet']} deployments short.\n",
        "| limit | USD/h | bound | gap | unmet | violations | verified gap | s | peak MiB | cost beside peer |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for limit, row in solves.items():
        if "failed" in row:
            lines.append(f"| {limit} | failed: {row['failed']} | | | | | | {row['solve_s']} | | |")
            continue
        verified = f"{row['verified_gap']:.2%}" if row["verified"] and row["verified_gap"] is not None else "not verified"
        lines.append(
            f"| {limit} | {row['usd_per_h']:,.2f} | {row['bound_usd_per_h']:,.2f} | {row['gap']:.2%} | {row['unmet']} "
            f"| {row['violations']} | {verified} | {row['solve_s']:.1f} | {row['peak_resident_mib']} | {row['cost_ratio_to_peer']} |"
        )
    for row in list(solves.values())[-1:]:
        lines += ["", _after(row)] if "changes" in row else []
    return "\n".join(lines) + "\n"


def _after(row: dict[str, Any]) -> str:
    lines = ["| then changes | s | gap | unmet | violations | moved without cause |", "|---|---|---|---|---|---|"]
    for name, each in row["changes"].items():
        lines.append(
            f"| {name} | {each['solve_s']:.2f} | {each['gap']:.2%} | {each['unmet']} | {each['violations']} "
            f"| {each['moved_without_cause']} |"
        )
    return "\n".join([*lines, "", ONLINE.format(**row["online"])])


def _growth(growth: dict[str, Any]) -> str:
    lines = [
        "## Growth\n",
        GROWTH.format(**growth),
        "\n![Seconds beside deployments](optimizer-growth.svg)\n",
        "| clouds x clusters | deployments | offers | s | s for 1,000 deployments | gap |",
        "|---|---|---|---|---|---|",
    ]
    for row in growth["rows"]:
        each = 1000 * row["solve_s"] / row["deployments"]
        size, gap = f"{row['clouds']} x {row['clusters']}", row.get("gap", 1.0)
        lines.append(f"| {size} | {row['deployments']} | {row['offers']} | {row['solve_s']:.1f} | {each:.1f} | {gap:.2%} |")
    return "\n".join(lines) + "\n"


def plot(growth: dict[str, Any]) -> str:
    """Seconds over deployments, both logarithmic, beside a line of linear growth through the last point."""
    points = [(row["deployments"], max(row["solve_s"], 1e-3)) for row in growth["rows"]]
    linear = [(count, points[-1][1] * count / points[-1][0]) for count, _ in points]
    across = scale([count for count, _ in points], LEFT, WIDTH - 20)
    up = scale([spent for _, spent in (*points, *linear)], HEIGHT - BOTTOM, 30)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">seconds (up) beside deployments (across), both logarithmic; dashed: linear</text>',
        f'<path d="M{LEFT} 30V{HEIGHT - BOTTOM}H{WIDTH - 20}" fill="none" stroke="#57606a"/>',
        _line(linear, across, up, 'stroke="#57606a" stroke-dasharray="5 4"'),
        _line(points, across, up, 'stroke="#1f6feb" stroke-width="2"'),
    ]
    parts += [f'<circle cx="{across(count):.1f}" cy="{up(spent):.1f}" r="5" fill="#1f6feb"/>' for count, spent in points]
    parts += [f'<text x="{across(count):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{count:,}</text>' for count, _ in points]
    parts += [
        f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:,.2g} s</text>' for value, at in ends([s for _, s in points], up)
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(points: list[tuple[int, float]], across: Any, up: Any, style: str) -> str:
    path = " ".join(f"{across(count):.1f},{up(spent):.1f}" for count, spent in points)
    return f'<polyline points="{path}" fill="none" {style}/>'
