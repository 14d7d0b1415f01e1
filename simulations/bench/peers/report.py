"""The figures of a run as a page and a plot: cost beside time, filled where every rule is kept."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from simulations.bench.axes import ends, scale

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 360, 70, 50
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#57606a", "#0a7ea4")

INTRODUCTION = """# Beside other optimizers

Written by `headrace bench peers`. Every optimizer gets the same problem documents on the same machine, one after the other, in
an environment of its own, with {seconds:g} s for each problem and seed {seed}. What it answers is turned into a plan and judged
by `headrace verify`; costs are recomputed there, nobody's own figures are taken. Time is the whole program, from its start to
its answer. HiGHS and CP-SAT are given the whole model, with one thread and four workers. POP splits it at random into eight parts.

*Broken* counts deployments that break at least one rule; a cheaper plan that breaks rules is no better plan. An optimizer that
cannot be told a rule is judged a second time on the problem without the rules in its last column, beside HiGHS on that problem.
"""


def write(figures: dict[str, Any], folder: Path) -> None:
    """Write ``peers.md`` and one plot for each problem."""
    parts = [INTRODUCTION.format(**figures)]
    for name, rows in figures["problems"].items():
        (folder / f"peers-{name}.svg").write_text(plot(name, rows), encoding="utf-8")
        parts.append(f"## {name}\n\n![Cost and time on {name}](peers-{name}.svg)\n\n{_table(rows)}\n{_second(rows)}")
    (folder / "peers.md").write_text("\n".join(parts), encoding="utf-8")


def _table(rows: dict[str, Any]) -> str:
    lines = ["| optimizer | USD/h | broken | rules broken | unserved | starts | s |", "|---|---|---|---|---|---|---|"]
    for name, row in rows.items():
        why = row.get("not_available") or row.get("failed")
        if why:
            lines.append(f"| {name} | {'not available' if 'not_available' in row else 'failed'}: {why} | | | | | |")
            continue
        rules = ", ".join(f"{rule} {count}" for rule, count in row["violations"].items()) or "none"
        lines.append(
            f"| {name} | {row['usd_per_h']:,.2f} | {row['broken_deployments']} | {rules} | {row['unmet_share']:.2%} "
            f"| {row['starts']} | {row['s']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _second(rows: dict[str, Any]) -> str:
    lines = []
    for name, row in rows.items():
        told = row.get("without_those_rules", {})
        reference = told.get("reference", {})
        if "usd_per_h" in told and "usd_per_h" in reference:
            ratio = told["usd_per_h"] / reference["usd_per_h"]
            lines.append(
                f"| {name} | {told['usd_per_h']:,.2f} | {reference['usd_per_h']:,.2f} | {ratio:.3f} "
                f"| {told['broken_deployments']} | {', '.join(row['cannot_be_told'])} |"
            )
    if not lines:
        return ""
    head = ["| optimizer | USD/h without | HiGHS on the same | ratio | broken | cannot be told |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *lines]) + "\n"


def plot(name: str, rows: dict[str, Any]) -> str:
    """Cost over time, both on logarithmic axes; a ring is a plan that breaks rules."""
    points = [(each, row) for each, row in rows.items() if "usd_per_h" in row]
    if not points:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="40"><text x="10" y="25">no figures</text></svg>\n'
    across = scale([row["s"] for _, row in points], LEFT, WIDTH - 190)
    up = scale([row["usd_per_h"] for _, row in points], HEIGHT - BOTTOM, 30)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">{escape(name)}: USD per hour (up) beside seconds (across), both logarithmic</text>',
        f'<path d="M{LEFT} 30V{HEIGHT - BOTTOM}H{WIDTH - 180}" fill="none" stroke="#57606a"/>',
    ]
    for index, (each, row) in enumerate(points):
        x, y, colour = across(row["s"]), up(row["usd_per_h"]), COLOURS[index % len(COLOURS)]
        kept = not row["violations"]
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour if kept else "white"}" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<circle cx="{WIDTH - 170}" cy="{44 + 24 * index}" r="5" fill="{colour if kept else "white"}" stroke="{colour}"/>')
        parts.append(f'<text x="{WIDTH - 158}" y="{48 + 24 * index}">{escape(each)}</text>')
    for value, at in ends([row["s"] for _, row in points], across):
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{value:,.2g} s</text>')
    for value, at in ends([row["usd_per_h"] for _, row in points], up):
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}">filled: every rule kept; ring: rules broken</text></svg>')
    return "\n".join(parts) + "\n"
