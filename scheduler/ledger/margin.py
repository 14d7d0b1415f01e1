"""Gross margin: (revenue - serving, idle, start-up, drain and overlap cost) / revenue.

Idle time belongs to nobody; it is spread over the deployments in proportion to their own cost, so that the rows sum to the
whole bill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from scheduler.domain.usage import MarginRow, NodeUsage, TokenUsage
from scheduler.domain.workload import PriceBook

TOKENS_PER_PRICE = 1_000_000


def margins(tokens: Iterable[TokenUsage], nodes: Iterable[NodeUsage], prices: Mapping[str, PriceBook | None]) -> list[MarginRow]:
    """One row per deployment that used or earned anything, and one for "" where idle time has no owner to spread it on."""
    used: dict[str, list[TokenUsage]] = defaultdict(list)
    for row in tokens:
        used[row.deployment].append(row)
    cost: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for node in nodes:
        cost[node.deployment][node.phase] += node.cost_micro_usd
    _spread_idle(cost)
    rows = []
    for name in sorted(used.keys() | cost.keys()):
        input_tokens = sum(row.input_tokens for row in used[name])
        output_tokens = sum(row.output_tokens for row in used[name])
        book = prices.get(name)
        revenue = 0
        if book is not None:
            earned = input_tokens * book.input_micro_usd_per_mtok + output_tokens * book.output_micro_usd_per_mtok
            revenue = round(earned / TOKENS_PER_PRICE)
        spent = sum(cost[name].values())
        rows.append(
            MarginRow(
                deployment=name,
                requests=sum(row.requests for row in used[name]),
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                revenue_micro_usd=revenue,
                cost_micro_usd=spent,
                margin=(revenue - spent) / revenue if revenue else None,
                cost_by_phase=tuple(sorted(cost[name].items())),
            )
        )
    return rows


def _spread_idle(cost: dict[str, dict[str, int]]) -> None:
    """Move the cost of "" to the others by their share; rounding stays with the largest, so the sum is kept."""
    idle = sum(cost.get("", {}).values())
    owners = {name: sum(phases.values()) for name, phases in cost.items() if name}
    total = sum(owners.values())
    if not idle or not total:
        return
    del cost[""]
    left = idle
    for name, own in sorted(owners.items(), key=lambda item: (item[1], item[0])):
        part = idle * own // total
        cost[name]["idle"] += part
        left -= part
    cost[max(owners, key=lambda name: (owners[name], name))]["idle"] += left
