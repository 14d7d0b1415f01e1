"""The variables of the model and their container; what they mean, and nothing about which rules hold."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import product

from ortools.math_opt.python import mathopt

from scheduler.domain.workload import Deployment
from scheduler.optimizer.problem import DemandClass, Option, Pool, Problem, demand_classes

Pattern = tuple[tuple[int, int], ...]
"""How one node is cut: (accelerators per replica, how many such replicas), maximal."""


@dataclass
class Formulation:
    """The model under construction.

    Variables:
        replicas[option key]: integer count placed.
        cuts[pool, pattern]: integer nodes of the pool cut by the pattern; nodes of a pool = sum of its cuts.
        routed[deployment, class, option key]: tokens/s of the demand class served there.
        starts[option key]: replicas started beyond those that run today.
        shortage[deployment, what]: by how much a wish is missed; fixed to 0 unless ``elastic``.
    """

    problem: Problem
    elastic: bool = False
    model: mathopt.Model = field(default_factory=lambda: mathopt.Model(name="placement"))
    replicas: dict[tuple[str, str, str], mathopt.Variable] = field(default_factory=dict)
    cuts: dict[tuple[str, Pattern], mathopt.Variable] = field(default_factory=dict)
    routed: dict[tuple[str, int, tuple[str, str, str]], mathopt.Variable] = field(default_factory=dict)
    starts: dict[tuple[str, str, str], mathopt.Variable] = field(default_factory=dict)
    shortage: dict[tuple[str, str], mathopt.Variable] = field(default_factory=dict)
    shortage_unit: dict[tuple[str, str], float] = field(default_factory=dict)
    classes: dict[str, list[DemandClass]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for deployment in self.problem.snapshot.deployments:
            self.classes[deployment.id] = demand_classes(deployment, self.problem.snapshot)
        for option in self.problem.options:
            least = 0 if self.elastic else option.least
            name = "|".join(option.key)
            self.replicas[option.key] = self.model.add_integer_variable(lb=least, ub=option.most, name=f"x|{name}")
            self.starts[option.key] = self.model.add_variable(lb=0, ub=option.most, name=f"start|{name}")
        for pool in self.problem.pools:
            for pattern in patterns(self.problem, pool):
                self.cuts[pool.id, pattern] = self.model.add_integer_variable(lb=0, ub=pool.max_nodes, name=f"n|{pool.id}|{pattern}")

    def missed(self, deployment: Deployment, what: str, unit: float) -> mathopt.Variable:
        """The shortage variable of one wish; ``unit`` scales it to a share of what was wished for."""
        key = (deployment.id, what)
        if key not in self.shortage:
            upper = float("inf") if self.elastic or deployment.best_effort else 0.0
            self.shortage[key] = self.model.add_variable(lb=0, ub=upper, name=f"missed|{deployment.id}|{what}")
            self.shortage_unit[key] = unit
        return self.shortage[key]

    def nodes(self, pool: Pool) -> mathopt.LinearSum:
        """Nodes of a pool, as a sum over its cuts."""
        return mathopt.fast_sum([variable for (name, _), variable in self.cuts.items() if name == pool.id])

    def replicas_of(self, deployment: str) -> mathopt.LinearSum:
        return mathopt.fast_sum([self.replicas[option.key] for option in self.problem.options_of[deployment]])

    def count(self, options: list[Option]) -> mathopt.LinearSum:
        return mathopt.fast_sum([self.replicas[option.key] for option in options])


def patterns(problem: Problem, pool: Pool) -> list[Pattern]:
    """Every maximal way to cut a node of this pool among the replica sizes that may be placed on it.

    A gang takes whole nodes and counts as size = all accelerators. Maximal patterns suffice: a packing that leaves room
    is covered by one that fills it.
    """
    size = pool.offer.instance_type.accelerator_count
    sizes = sorted({option.shape.accelerators_per_node for option in problem.options_in.get(pool.id, [])}, reverse=True)
    if not sizes or pool.max_nodes == 0:
        return []
    found = []
    for counts in product(*(range(size // each + 1) for each in sizes)):
        used = sum(each * count for each, count in zip(sizes, counts, strict=True))
        if used <= size and all(used + each > size for each in sizes):
            found.append(tuple(zip(sizes, counts, strict=True)))
    return found


def options_by(options: list[Option], name: dict[str, str]) -> dict[str, list[Option]]:
    """Group options by a name of their pool."""
    groups: dict[str, list[Option]] = defaultdict(list)
    for option in options:
        groups[name[option.pool.id]].append(option)
    return groups
