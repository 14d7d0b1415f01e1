"""Whether a plan is worth its disruption.

score = (savings / cost before) / (replicas moved / replicas running). A plan passes at ``threshold`` or above: at 0.5, moving
half of the fleet must save a quarter of its cost. The balance is the one Karpenter strikes in its consolidation.
"""

from __future__ import annotations

from scheduler.domain.plan import GateVerdict, Move, MoveKind
from scheduler.domain.units import usd_text

DEFAULT_THRESHOLD = 0.5


def worth(
    moves: tuple[Move, ...], running: int, cost_before: int, cost_after: int, needs: tuple[str, ...], threshold: float
) -> GateVerdict:
    """Judge a plan. ``needs`` are sentences that make it necessary whatever it saves; costs are micro-USD per hour."""
    if needs:
        return GateVerdict(True, True, 0.0, threshold, "necessary: " + "; ".join(needs))
    moved = sum(move.kind is MoveKind.MIGRATE for move in moves)
    saving = cost_before - cost_after
    if moved == 0:
        return GateVerdict(True, False, 0.0, threshold, f"moves nothing that serves, saves {usd_text(saving, 4)}/h")
    if cost_before <= 0 or saving <= 0:
        return GateVerdict(False, False, 0.0, threshold, f"{moved} moves would save {usd_text(saving, 4)}/h")
    score = (saving / cost_before) / (moved / max(1, running))
    text = f"saves {usd_text(saving, 4)}/h ({saving / cost_before:.1%}) by moving {moved} of {running} replicas: score {score:.2f}"
    if score >= threshold:
        return GateVerdict(True, False, score, threshold, text)
    needed = round(threshold * moved / max(1, running) * cost_before)
    return GateVerdict(False, False, score, threshold, f"{text}, below {threshold}; it would pass at a saving of {usd_text(needed, 4)}/h")
