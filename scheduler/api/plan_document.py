"""A solved placement as a plan document: what ``headrace optimize`` prints and other programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scheduler.domain.plan import Target, Violation

FORMAT = "headrace-plan"
VERSION = 1


def plan_document(target: Target, violations: Sequence[Violation], times_ms: Mapping[str, int]) -> dict[str, Any]:
    """The document. Cost, bound and penalties are micro-USD per hour; ``times_ms`` is by phase."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "status": target.status,
        "placements": [asdict(each) for each in target.placements],
        "pools": [asdict(each) for each in target.pools],
        "routes": [asdict(each) for each in target.routes],
        "unmet": [asdict(each) for each in target.unmet],
        "cost": {"total_micro_usd_per_h": target.objective_micro_usd_per_h, "terms": [asdict(each) for each in target.terms]},
        "bound_micro_usd_per_h": target.bound_micro_usd_per_h,
        "gap": target.gap,
        "solve_ms": target.solve_ms,
        "times_ms": dict(times_ms),
        "violations": [asdict(each) for each in violations],
        "reasons": [asdict(each) for each in target.reasons],
        "bindings": [asdict(each) for each in target.bindings],
    }
