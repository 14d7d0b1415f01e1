"""A decision about a supposed world beside the one about the world as it is. Pure; for previews only, never carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.control.decide import Decision, decide
from scheduler.domain.plan import Move
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import Comparison, SolveSettings, compare, solve, what_if, with_modelled_shapes
from scheduler.planner import PlanContext, decision_view


@dataclass(frozen=True, slots=True)
class Supposed:
    """Attributes: ``decision`` is about the changed world, ``comparison`` about both."""

    decision: Decision
    comparison: Comparison


def suppose(
    snapshot: Snapshot, questions: Sequence[str], moves: Sequence[Move], context: PlanContext, solving: SolveSettings | None = None
) -> Supposed:
    """Decide on the snapshot after the what-if questions, and compare with what the same solve of the unchanged one gives.

    Raises:
        InvalidInputError: a question cannot be read or names what is not there.
    """
    solving = solving or SolveSettings()
    changed = what_if(snapshot, questions)
    # Reasons are told of the changed world alone; deriving them does not touch the placement.
    before = solve(decision_view(with_modelled_shapes(snapshot), moves), replace(solving, explain=False))
    decision = decide(changed, moves, context, solving)
    return Supposed(decision, compare(questions, before, decision.plan.target))
