"""What each deployment was promised: counts, demand, survival of losses, ceilings, spread, pins, budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from scheduler.verifier.claims import Placed, Plan
from scheduler.verifier.fleet import Violation
from scheduler.verifier.flow import routable
from scheduler.verifier.options import Derived
from scheduler.verifier.reading import exact
from scheduler.verifier.world import SPOT, Deployment

TOLERANCE = Fraction(1, 1_000_000)
"""Share of a promise that rounding in a plan's making may miss; the lower bound allows the same, so it stays below such plans."""


@dataclass(frozen=True)
class Judged:
    """One deployment and what the plan gives it."""

    derived: Derived
    plan: Plan
    deployment: Deployment
    placed: list[Placed]

    @property
    def total(self) -> int:
        return sum(each.replicas for each in self.placed)

    @property
    def short(self) -> bool:
        return self.plan.short(self.deployment.id)

    def count(self, pools: set[str]) -> int:
        return sum(each.replicas for each in self.placed if each.pool in pools)

    def grouped(self, kind: str) -> dict[str, set[str]]:
        """Its pools by failure domain."""
        found: dict[str, set[str]] = defaultdict(set)
        for each in self.placed:
            found[self.derived.pools[each.pool].offer.domain(kind)].add(each.pool)
        return found

    def spot_groups(self) -> dict[str, set[str]]:
        """Its spot pools by what is lost together."""
        found: dict[str, set[str]] = defaultdict(set)
        for each in self.placed:
            if group := self.derived.pools[each.pool].offer.spot_group:
                found[group].add(each.pool)
        return found

    def launch_groups(self) -> dict[str, set[str]]:
        """Its pools by what turns out not to launch together."""
        found: dict[str, set[str]] = defaultdict(set)
        for each in self.placed:
            if group := self.derived.pools[each.pool].offer.launch_group:
                found[group].add(each.pool)
        return found

    def served(self, lost: set[str], factor: Fraction, *, running: bool = False) -> tuple[Fraction, Fraction]:
        """(routable, wanted) tokens/s with some pools lost, but what is running there where that is spared, and demand scaled."""
        stays = self.derived.running if running else {}
        kept = [replace(p, replicas=min(p.replicas, stays.get(p.key, 0))) if p.pool in lost else p for p in self.placed]
        left = [each for each in kept if each.replicas]
        wanted = [factor * exact(each.tokens_per_s) for each in self.deployment.demand]
        rates: dict[tuple[int, int], Fraction] = {}
        for column, each in enumerate(left):
            shape, pool = self.derived.shapes[each.shape], self.derived.pools[each.pool]
            for row, demand in enumerate(self.deployment.demand):
                rate = shape.rate(demand.bucket)
                if rate > 0 and self.derived.serves(self.deployment, pool, row):
                    rates[row, column] = exact(rate)
        return routable(wanted, [each.replicas for each in left], rates), sum(wanted, Fraction(0))


def counts(j: Judged) -> Iterator[Violation]:
    """min_replicas <= replicas <= max_replicas"""
    if j.total > j.deployment.max_replicas:
        yield Violation("max_replicas", j.deployment.id, f"{j.total} replicas, at most {j.deployment.max_replicas}")
    if j.total < j.deployment.min_replicas and not j.short:
        yield Violation("min_replicas", j.deployment.id, f"{j.total} replicas, at least {j.deployment.min_replicas}")


def demand(j: Judged) -> Iterator[Violation]:
    """Demand with headroom is routable within residency and latency, but for what the plan declares as unmet."""
    served, wanted = j.served(set(), 1 + exact(j.deployment.headroom))
    if served + j.plan.unserved(j.deployment.id) < wanted * (1 - TOLERANCE):
        declared = float(j.plan.unserved(j.deployment.id))
        text = f"{float(served):.3f} of {float(wanted):.3f} tokens/s (with headroom) can be served, {declared:.3f} are declared unmet"
        yield Violation("demand", j.deployment.id, text)


def survival(j: Judged) -> Iterator[Violation]:
    """After the loss of any one failure domain, and of any one correlated spot pool, the stated share is still routable."""
    if j.short:
        return
    rules = j.deployment.rules
    losses: list[tuple[str, str, set[str], float]] = []
    if rules.survivability is not None:
        kind, share = rules.survivability
        losses += [("survivability", name, pools, share) for name, pools in sorted(j.grouped(kind).items())]
        # A domain without replicas takes nothing with it, and the share must be routable even then.
        losses.append(("survivability", "nothing", set(), share))
    if rules.spot_loss_share > 0:
        losses += [("spot_loss_share", f"spot {name}", pools, rules.spot_loss_share) for name, pools in sorted(j.spot_groups().items())]
        losses.append(("spot_loss_share", "nothing", set(), rules.spot_loss_share))
    for rule, name, lost, share in losses:
        served, wanted = j.served(lost, exact(share))
        if served < wanted * (1 - TOLERANCE):
            text = f"after losing {name} only {float(served):.3f} of {float(wanted):.3f} tokens/s can be served"
            yield Violation(rule, j.deployment.id, text)


def stockout(j: Judged) -> Iterator[Violation]:
    """Without all that is still to be started on any one group of capacity, the stated share is still routable."""
    share = j.deployment.rules.stockout_share
    if j.short or share <= 0:
        return
    for name, pools in (("nothing", set[str]()), *sorted(j.launch_groups().items())):
        served, wanted = j.served(pools, exact(share), running=True)
        if served < wanted * (1 - TOLERANCE):
            text = f"without what is to be started on {name} only {float(served):.3f} of {float(wanted):.3f} tokens/s can be served"
            yield Violation("stockout_share", j.deployment.id, text)


def spot(j: Judged) -> Iterator[Violation]:
    """replicas on spot <= spot_ceiling * replicas"""
    on_spot = j.count({each.pool for each in j.placed if j.derived.pools[each.pool].offer.capacity_type == SPOT})
    if on_spot > (exact(j.deployment.rules.spot_ceiling) + TOLERANCE) * j.total:
        yield Violation("spot_ceiling", j.deployment.id, f"{on_spot} of {j.total} replicas are on spot")


def spread(j: Judged) -> Iterator[Violation]:
    """Per failure domain: replicas in it <= max_share * replicas"""
    rule = j.deployment.rules.spread
    if rule is None:
        return
    for name, pools in sorted(j.grouped(rule[0]).items()):
        if j.count(pools) > (exact(rule[1]) + TOLERANCE) * j.total:
            yield Violation("spread", j.deployment.id, f"{j.count(pools)} of {j.total} replicas in {name}, at most {rule[1]:.0%}")


def pins(j: Judged) -> Iterator[Violation]:
    """At least one replica in every pinned cluster."""
    for cluster in j.deployment.rules.pins:
        if not j.short and not any(each.cluster == cluster and each.replicas for each in j.placed):
            yield Violation("pins", j.deployment.id, f"no replica in {cluster}")


def budget(j: Judged) -> Iterator[Violation]:
    """The price of the node shares its replicas take stays within the budget."""
    most = j.deployment.budget
    if most is None:
        return
    spent = Fraction(0)
    for each in j.placed:
        pool = j.derived.pools[each.pool]
        spent += Fraction(each.replicas * pool.price * j.derived.shapes[each.shape].accelerators, pool.offer.kind.accelerators)
    if spent > most * (1 + TOLERANCE):
        yield Violation("budget", j.deployment.id, f"{float(spent):.0f} of {most} micro-USD/h")


def routes(j: Judged) -> Iterator[Violation]:
    """Traffic that the plan lays down goes only where it may, and no replica gets more than it can take."""
    load: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    replicas = {(each.pool, each.shape): each.replicas for each in j.placed}
    for route in j.plan.routes_of.get(j.deployment.id, ()):
        place = (route.pool, route.shape)
        rows = [i for i, d in enumerate(j.deployment.demand) if (d.origin, d.bucket) == (route.origin, route.bucket)]
        rate = j.derived.shapes[route.shape].rate(route.bucket) if place in replicas else 0.0
        if rate <= 0 or not any(j.derived.serves(j.deployment, j.derived.pools[route.pool], row) for row in rows):
            yield Violation("routes", j.deployment.id, f"traffic of {route.origin} ({route.bucket}) may not go to {route.pool}")
            continue
        load[place] += route.tokens_per_s / exact(rate)
    for place, used in sorted(load.items()):
        if used > replicas[place] * (1 + TOLERANCE):
            yield Violation("routes", j.deployment.id, f"{place[0]} would need {float(used):.3f} replicas, it has {replicas[place]}")


PROMISES = (counts, demand, survival, stockout, spot, spread, pins, budget, routes)
