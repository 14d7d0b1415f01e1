"""Puts the judgement together: every rule, the cost, the bound, and what they say about the plan's claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduler.verifier.bound import Bound, lower_bound
from scheduler.verifier.claims import Plan, read_certificate, read_plan
from scheduler.verifier.cost import misstated, terms
from scheduler.verifier.endpoints import ENDPOINT
from scheduler.verifier.fleet import FLEET_RULES, Violation, names
from scheduler.verifier.options import Derived, derive
from scheduler.verifier.problem import read_problem
from scheduler.verifier.promises import PROMISES, Judged
from scheduler.verifier.search import MOST_NODES

CLAIM_SLACK = 1e-3
"""Share of the cost by which a claimed bound may exceed the proven one before it counts as not proven: searches here are cut short."""


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        cost: recomputed, by term, micro-USD per hour; None where names lead nowhere and nothing can be priced.
        bound: None without a certificate. unmet: deployments whose shortage the plan declares.
    """

    plan: Plan
    violations: tuple[Violation, ...]
    cost: dict[str, int] | None
    bound: Bound | None
    claimed_bound: int
    unmet: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def total(self) -> int:
        return sum((self.cost or {}).values())

    @property
    def gap(self) -> float | None:
        """(cost - bound) / cost, with nothing unmet hidden in it: the bound is one on plans that serve as much."""
        if self.bound is None or self.cost is None:
            return None
        return (self.total - self.bound.total) / self.total if self.total > 0 else 0.0

    @property
    def verified(self) -> bool:
        return not self.violations

    def document(self) -> dict[str, Any]:
        """The verdict as JSON."""
        bound = self.bound
        return {
            "format": "headrace-verdict",
            "version": 1,
            "verified": self.verified,
            "violations": [{"rule": v.rule, "subject": v.subject, "text": v.text} for v in self.violations],
            "cost_micro_usd_per_h": self.total if self.cost is not None else None,
            "terms_micro_usd_per_h": self.cost,
            "claimed_cost_micro_usd_per_h": self.plan.total,
            "bound_micro_usd_per_h": bound.total if bound else None,
            "claimed_bound_micro_usd_per_h": self.claimed_bound,
            "gap": self.gap,
            "unmet": list(self.unmet),
            "searches_cut_short": list(bound.inexact) if bound else [],
            "search_nodes": bound.nodes if bound else 0,
            "notes": list(self.notes),
        }


def verify(problem: str, plan: str, certificate: str | None = None, most_nodes: int = MOST_NODES) -> Verdict:
    """Judge the three documents, given as text.

    Raises:
        BadDocumentError: one of them is not of the agreed form.
    """
    derived, claim = derive(read_problem(problem)), read_plan(plan)
    multipliers = read_certificate(certificate) if certificate is not None else None
    unmet = tuple(sorted({each.deployment for each in claim.unmet}))
    claimed = max(claim.bound, multipliers.claimed) if multipliers else claim.bound
    found = list(names(derived, claim))
    notes = _notes(derived, unmet, multipliers is None)
    if found:
        return Verdict(claim, tuple(found), None, None, claimed, unmet, (*notes, "names lead nowhere: nothing else was judged"))
    for fleet_rule in FLEET_RULES:
        found.extend(fleet_rule(derived, claim))
    for deployment in derived.world.deployments:
        judged = Judged(derived, claim, deployment, claim.placed_of.get(deployment.id, []))
        for promise in PROMISES:
            found.extend(promise(judged))
    cost = terms(derived, claim)
    found.extend(misstated(derived, claim, cost))
    if multipliers is None:
        return Verdict(claim, tuple(found), cost, None, claimed, unmet, notes)
    bound = lower_bound(derived, claim, multipliers, most_nodes)
    if claimed > bound.total + CLAIM_SLACK * sum(cost.values()):
        found.append(Violation("bound", "certificate", f"claimed as {claimed}, these multipliers prove {bound.total} micro-USD/h"))
    return Verdict(claim, tuple(found), cost, bound, claimed, unmet, notes)


def _notes(derived: Derived, unmet: tuple[str, ...], bare: bool) -> tuple[str, ...]:
    notes = []
    if bare:
        notes.append("no certificate: feasibility and cost are verified, the lower bound is not")
    if unmet:
        notes.append(f"demand of {len(unmet)} deployments is declared unmet: the bound is one on plans that serve as much as this one")
    if derived.world.objective == "margin":
        notes.append("the objective is margin: with the same demand served its revenue is a constant, and cost is what is judged")
    if any(offer.capacity_type == ENDPOINT for offer in derived.world.offers):
        notes.append("external endpoints are charged for all that is held there, headroom included: the bill is no higher")
    return tuple(notes)
