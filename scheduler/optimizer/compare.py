"""Two targets side by side: what a what-if costs, moves and leaves unmet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.domain.plan import Target
from scheduler.domain.units import usd_text


@dataclass(frozen=True, slots=True)
class Shift:
    """Replicas of a deployment on an offer in a cluster, without and with the change."""

    deployment: str
    cluster: str
    offer_id: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a deployment lacks in all, without and with the change.

    Attributes:
        before, after: tokens per second of demand, or replicas of a rule such as min_replicas; 0 where nothing is lacking.
        what: origins of the demand, or the rule.
    """

    deployment: str
    what: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best placement of the world as it is, and of the changed world, solved with the same settings.

    Attributes:
        text: the answer as one sentence.
        cost_before_micro_usd_per_h, cost_after_micro_usd_per_h: all terms of the objective.
        bound_before_micro_usd_per_h, bound_after_micro_usd_per_h, gap_before, gap_after: how well each is proven.
        shifts: placements that differ. unmet: shortages of either.
    """

    questions: tuple[str, ...]
    text: str
    cost_before_micro_usd_per_h: int
    cost_after_micro_usd_per_h: int
    bound_before_micro_usd_per_h: int
    bound_after_micro_usd_per_h: int
    gap_before: float
    gap_after: float
    shifts: tuple[Shift, ...]
    unmet: tuple[Shortage, ...]


def compare(questions: Sequence[str], before: Target, after: Target) -> Comparison:
    """What the change does."""
    unmet = _shortages(before, after)
    costs = before.objective_micro_usd_per_h, after.objective_micro_usd_per_h
    return Comparison(
        tuple(questions),
        f"{'; '.join(questions)}: {_cost_text(*costs)}; {_unmet_text(unmet)}",
        *costs,
        before.bound_micro_usd_per_h,
        after.bound_micro_usd_per_h,
        before.gap,
        after.gap,
        _shifts(before, after),
        unmet,
    )


def _shifts(before: Target, after: Target) -> tuple[Shift, ...]:
    counts: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for side, target in enumerate((before, after)):
        for each in target.placements:
            counts[each.deployment, each.cluster, each.offer_id][side] += each.replicas
    return tuple(Shift(*key, *sides) for key, sides in sorted(counts.items()) if sides[0] != sides[1])


def _shortages(before: Target, after: Target) -> tuple[Shortage, ...]:
    lacking: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for side, target in enumerate((before, after)):
        for each in target.unmet:
            lacking[each.deployment, each.origin][side] += each.tokens_per_s
    return tuple(Shortage(*key, *sides) for key, sides in sorted(lacking.items()))


def _cost_text(before: int, after: int) -> str:
    if before == after:
        return f"costs the same, {usd_text(after, 4)}/h"
    share = f" ({(after - before) / before:+.1%})" if before else ""
    return f"costs {usd_text(abs(after - before), 4)}/h {'more' if after > before else 'less'}{share}"


def _unmet_text(unmet: Sequence[Shortage]) -> str:
    short = sorted({each.deployment for each in unmet if each.after > 0})
    already = {each.deployment for each in unmet if each.before > 0}
    if not short:
        return "everything is met" if not already else f"what could not be met before now can: {', '.join(sorted(already))}"
    told = [f"{name} (nor without the change)" if name in already else name for name in short]
    return f"these deployments cannot be met: {', '.join(told)}"
