"""Chooses the cheapest placement that satisfies every rule, proves how good it is, and says why.

A pure stage: a ``Snapshot`` goes in, a ``Target`` comes out. It knows nothing of databases, clouds or clocks.
"""

from scheduler.optimizer.check import check
from scheduler.optimizer.compare import Comparison, compare
from scheduler.optimizer.conflict import conflict
from scheduler.optimizer.endpoints import with_endpoints
from scheduler.optimizer.robust import with_robust
from scheduler.optimizer.search import SolveSettings
from scheduler.optimizer.shapes import with_modelled_shapes
from scheduler.optimizer.solve import solve, solve_large, solve_next
from scheduler.optimizer.whatif import what_if

__all__ = [
    "Comparison",
    "SolveSettings",
    "check",
    "compare",
    "conflict",
    "solve",
    "solve_large",
    "solve_next",
    "what_if",
    "with_endpoints",
    "with_modelled_shapes",
    "with_robust",
]
