"""When not everything can be met: a minimal set of rules that cannot hold together, and what would resolve it.

A deletion filter: switch the rules of the short deployment off one by one; while the shortage stays, a rule stays off, for it
has no part in it. What is still on at the end conflicts, and without any one of it there is no conflict.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from scheduler.domain.errors import InfeasibleError
from scheduler.domain.plan import Target
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.units import usd_text
from scheduler.domain.workload import Deployment, PlacementRules
from scheduler.optimizer.problem import UNCAPPED, build
from scheduler.optimizer.reduce import reduce
from scheduler.optimizer.search import Solution, SolveSettings, solve_problem

STOCK = "stock"
QUOTAS = "quotas"


def conflict(snapshot: Snapshot, target: Target, settings: SolveSettings | None = None) -> InfeasibleError | None:
    """Explain the shortages of deployments that are not best-effort; None where there are none."""
    settings = replace(settings or SolveSettings(), explain=False)
    flexible = {deployment.id for deployment in snapshot.deployments if deployment.best_effort}
    short = sorted({unmet.deployment for unmet in target.unmet} - flexible)
    conflicts: list[str] = []
    remedies: list[str] = []
    large = len(snapshot.deployments) * len(snapshot.offers) > settings.whole_max
    for name in short:
        deployment = next(d for d in snapshot.deployments if d.id == name)
        # In a large fleet the question is asked of the deployment alone; what the others take is then said, not solved.
        asked = replace(snapshot, deployments=(deployment,)) if large else snapshot
        if large and _met(_solve(asked, deployment, set(), settings), deployment):
            conflicts.append(f"{name}: alone it could be served; more important deployments leave too little of what it may use")
            continue
        rules = _minimal(asked, deployment, settings)
        text = ", ".join(_tell(deployment, rule) for rule in rules) if rules else "no offer in any open cluster serves it at all"
        conflicts.append(f"{name}: {text}")
        remedies += _remedies(asked, deployment, rules, settings)
    return InfeasibleError(conflicts, remedies) if conflicts else None


def rules_of(deployment: Deployment) -> list[str]:
    """The rules this deployment states, in the order people write them, then what the world limits."""
    rules, default = deployment.rules, PlacementRules()
    names = [name for name in PlacementRules.__dataclass_fields__ if getattr(rules, name) != getattr(default, name)]
    if deployment.budget_micro_usd_per_h is not None:
        names.append("budget")
    names.append("max_replicas")
    if any(demand.jurisdictions for demand in deployment.demand):
        names.append("demand residency")
    return [*names, STOCK, QUOTAS]


def _minimal(snapshot: Snapshot, deployment: Deployment, settings: SolveSettings) -> list[str]:
    every = rules_of(deployment)
    if not _met(_solve(snapshot, deployment, set(every), settings), deployment):
        return []
    off: set[str] = set()
    for rule in every:
        if not _met(_solve(snapshot, deployment, off | {rule}, settings), deployment):
            off.add(rule)
    return [rule for rule in every if rule not in off]


def _remedies(snapshot: Snapshot, deployment: Deployment, rules: list[str], settings: SolveSettings) -> list[str]:
    found = []
    for rule in rules:
        solution = _solve(snapshot, deployment, {rule}, settings)
        if _met(solution, deployment):
            cost = usd_text(round(solution.objective_usd_per_h * 1e6), 4)
            found.append(f"{deployment.id}: without {_tell(deployment, rule)} the fleet serves everything at {cost}/h")
    if not found and rules:
        # The rest of what was switched off in the search conflicts as well, or one of these alone would have resolved it.
        told = ", ".join(_tell(deployment, rule) for rule in rules)
        which = f"{told} must give way" if len(rules) == 1 else f"one of these must give way: {told}"
        found.append(f"{deployment.id}: {which}; no rule alone resolves it, for others conflict without it")
    return found


def _met(solution: Solution, deployment: Deployment) -> bool:
    return not any(name == deployment.id for name, _ in solution.missed)


def _solve(snapshot: Snapshot, deployment: Deployment, off: set[str], settings: SolveSettings) -> Solution:
    return solve_problem(reduce(build(_relaxed(snapshot, deployment, off))), settings)


def relaxed(deployment: Deployment, off: Set[str]) -> Deployment:
    """The deployment without these of its rules, named as in ``rules_of``."""
    default = PlacementRules()
    rules = replace(deployment.rules, **{name: getattr(default, name) for name in off if name in PlacementRules.__dataclass_fields__})
    demand = tuple(replace(d, jurisdictions=()) for d in deployment.demand) if "demand residency" in off else deployment.demand
    return replace(
        deployment,
        rules=rules,
        demand=demand,
        budget_micro_usd_per_h=None if "budget" in off else deployment.budget_micro_usd_per_h,
        max_replicas=max(1000, deployment.max_replicas) if "max_replicas" in off else deployment.max_replicas,
    )


def _relaxed(snapshot: Snapshot, deployment: Deployment, off: set[str]) -> Snapshot:
    changed = relaxed(deployment, off)
    caps = {key: LaunchCap(UNCAPPED, 0.0, "what-if") for key in snapshot.caps} if STOCK in off else snapshot.caps
    return replace(
        snapshot,
        deployments=tuple(changed if d.id == deployment.id else d for d in snapshot.deployments),
        caps=caps,
        quotas=() if QUOTAS in off else snapshot.quotas,
    )


def _tell(deployment: Deployment, rule: str) -> str:
    match rule:
        case "budget":
            return f"budget {usd_text(deployment.budget_micro_usd_per_h or 0, 4)}/h"
        case "max_replicas":
            return f"max_replicas {deployment.max_replicas}"
        case "demand residency":
            return "the residency of its demand"
        case "stock":
            return "what the providers have in stock"
        case "quotas":
            return "the accounts' quotas"
    value = getattr(deployment.rules, rule)
    if rule == "survivability":
        return f"survivability ({value.share:.0%} after the loss of any {value.domain.value})"
    if rule == "spread":
        return f"spread (at most {value.max_share:.0%} per {value.domain.value})"
    return f"{rule} {', '.join(value) if isinstance(value, tuple) else value}"
