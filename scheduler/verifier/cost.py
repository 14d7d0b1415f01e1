"""What a plan costs, term by term, exactly, in integer micro-USD per hour."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.verifier.claims import Plan
from scheduler.verifier.fleet import Violation
from scheduler.verifier.options import Derived

NODES, LOSS, MOVES = "nodes", "interruption loss", "moves"


def terms(derived: Derived, plan: Plan) -> dict[str, int]:
    """Nodes at their price; the expected loss by interruption on top; starts of replicas beyond those that run, amortised.

    ``nodes`` = sum nodes * price; ``interruption loss`` = sum nodes * (effective - price), effective =
    round(price * (1 + interruptions per h * launch_s / 3600)); ``moves`` = sum start cost * max(0, replicas - running).
    """
    found = {NODES: 0, LOSS: 0, MOVES: 0}
    for held in plan.pools:
        pool = derived.pools[held.pool]
        found[NODES] += pool.price * held.nodes
        found[LOSS] += (pool.effective - pool.price) * held.nodes
    for placed in plan.placements:
        started = max(0, placed.replicas - derived.running.get(placed.key, 0))
        if started:
            found[MOVES] += derived.start_cost(derived.pools[placed.pool], derived.shapes[placed.shape]) * started
    return found


def misstated(derived: Derived, plan: Plan, found: dict[str, int]) -> Iterator[Violation]:
    """Wherever the plan's own figures differ from the recomputed ones."""
    for held in plan.pools:
        pool = derived.pools[held.pool]
        if held.price != pool.price:
            yield Violation("cost", pool.id, f"priced at {held.price}, the problem says {pool.price}")
        if held.existing != pool.existing:
            yield Violation("cost", pool.id, f"{held.existing} nodes are said to run, the problem says {pool.existing}")
    for name in sorted(plan.terms.keys() | found.keys()):
        if plan.terms and plan.terms.get(name, 0) != found.get(name, 0):
            yield Violation("cost", name, f"stated as {plan.terms.get(name, 0)}, it is {found.get(name, 0)} micro-USD/h")
    total = sum(found.values())
    if plan.total != total:
        yield Violation("cost", "total", f"stated as {plan.total}, it is {total} micro-USD/h")
    if plan.bound > plan.total:
        yield Violation("bound", "total", f"a lower bound of {plan.bound} is claimed for a cost of {plan.total} micro-USD/h")
