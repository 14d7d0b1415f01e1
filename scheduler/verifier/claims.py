"""What is claimed: the plan document, and the certificate of a lower bound. Fields that claim nothing checkable are not read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from scheduler.verifier.reading import BadDocumentError, Fields, exact, parse


@dataclass(frozen=True, slots=True)
class Placed:
    deployment: str
    shape: str
    pool: str
    cluster: str
    offer_id: str
    replicas: int

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.deployment, self.pool, self.shape)


@dataclass(frozen=True, slots=True)
class Held:
    """Nodes of one pool; ``price`` is micro-USD per node and hour as the plan says it."""

    pool: str
    cluster: str
    offer_id: str
    nodes: int
    existing: int
    price: int


@dataclass(frozen=True, slots=True)
class Routed:
    deployment: str
    origin: str
    bucket: str
    pool: str
    shape: str
    tokens_per_s: Fraction


@dataclass(frozen=True, slots=True)
class Shortage:
    """Something the plan says itself that it misses; demand where ``bucket`` is not empty, another wish where it is."""

    deployment: str
    origin: str
    bucket: str
    tokens_per_s: Fraction


@dataclass(frozen=True)
class Plan:
    """The plan document. ``terms`` are the claimed cost lines, ``total`` and ``bound`` micro-USD per hour."""

    status: str
    placements: tuple[Placed, ...]
    pools: tuple[Held, ...]
    routes: tuple[Routed, ...]
    unmet: tuple[Shortage, ...]
    total: int
    terms: Mapping[str, int]
    bound: int

    @cached_property
    def placed_of(self) -> dict[str, list[Placed]]:
        """Placements by deployment."""
        found: dict[str, list[Placed]] = defaultdict(list)
        for each in self.placements:
            found[each.deployment].append(each)
        return found

    @cached_property
    def routes_of(self) -> dict[str, list[Routed]]:
        """Routes by deployment."""
        found: dict[str, list[Routed]] = defaultdict(list)
        for each in self.routes:
            found[each.deployment].append(each)
        return found

    def short(self, deployment: str) -> bool:
        """True where the plan declares that this deployment's wishes are not all met."""
        return any(each.deployment == deployment for each in self.unmet)

    def unserved(self, deployment: str) -> Fraction:
        """Declared unmet demand of a deployment, tokens per second."""
        return sum((each.tokens_per_s for each in self.unmet if each.deployment == deployment and each.bucket), Fraction(0))


@dataclass(frozen=True)
class Certificate:
    """Multipliers of the Lagrangian bound, rounded down to whole micro-USD.

    Any non-negative multipliers give a valid bound, so rounding them once, before anything is computed from them, costs a
    few micro-USD of strength and makes all that follows integer arithmetic.

    Attributes:
        pools: micro-USD per accelerator and hour, by pool. resources: by ``offer:``, ``quota:`` or ``reservation:`` and id.
        claimed: the bound that its maker claims, micro-USD per hour.
        weights: by deployment, worth of a token/s by index of its demand: joint bottlenecks to look at. Any weights are valid.
    """

    pools: Mapping[str, int]
    resources: Mapping[str, int]
    claimed: int
    weights: Mapping[str, Sequence[Mapping[int, float]]] = field(default_factory=dict)


def read_plan(text: str) -> Plan:
    """The plan of a plan document.

    Raises:
        BadDocumentError: the document is not of the agreed form.
    """
    fields = parse(text, "plan", "headrace-plan")
    cost = fields.part("cost")
    return Plan(
        status=fields.text("status", ""),
        placements=tuple(_placed(row) for row in fields.rows("placements")),
        pools=tuple(_held(row) for row in fields.rows("pools")),
        routes=tuple(_routed(row) for row in fields.rows("routes")),
        unmet=tuple(_shortage(row) for row in fields.rows("unmet")),
        total=cost.integer("total_micro_usd_per_h", least=None),
        terms=_terms(cost),
        bound=fields.integer("bound_micro_usd_per_h", 0, least=None),
    )


def _placed(row: Fields) -> Placed:
    return Placed(
        deployment=row.text("deployment"),
        shape=row.text("shape"),
        pool=row.text("pool"),
        cluster=row.text("cluster"),
        offer_id=row.text("offer_id"),
        replicas=row.integer("replicas"),
    )


def _held(row: Fields) -> Held:
    return Held(
        pool=row.text("pool"),
        cluster=row.text("cluster"),
        offer_id=row.text("offer_id"),
        nodes=row.integer("nodes"),
        existing=row.integer("existing", 0),
        price=row.integer("price_micro_usd_per_h"),
    )


def _routed(row: Fields) -> Routed:
    return Routed(
        deployment=row.text("deployment"),
        origin=row.text("origin"),
        bucket=row.text("bucket"),
        pool=row.text("pool"),
        shape=row.text("shape"),
        tokens_per_s=exact(row.number("tokens_per_s")),
    )


def _shortage(row: Fields) -> Shortage:
    return Shortage(row.text("deployment"), row.text("origin", ""), row.text("bucket", ""), exact(row.number("tokens_per_s")))


def _terms(cost: Fields) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in cost.rows("terms"):
        name = row.text("name")
        if name in found:
            raise BadDocumentError(f"{row.where}: the term {name} is listed twice")
        found[name] = row.integer("micro_usd_per_h", least=None)
    return found


def read_certificate(text: str) -> Certificate:
    """The multipliers of a certificate document. Row multipliers are hints that the search does without.

    Raises:
        BadDocumentError: the document is not of the agreed form, or a multiplier is negative.
    """
    fields = parse(text, "certificate", "headrace-certificate")
    fields.ignore("row_multipliers", "about")
    pools = fields.numbers("pool_multipliers_micro_usd_per_accelerator_h")
    resources = fields.numbers("resource_multipliers")
    claimed = fields.number("claimed_bound_micro_usd_per_h", 0.0, least=None)
    weights: dict[str, list[dict[int, float]]] = defaultdict(list)
    for row in fields.rows("class_weights"):
        by_demand = row.numbers("by_demand")
        if not all(index.isdecimal() for index in by_demand):
            raise BadDocumentError(f"{row.where}.by_demand: indices of the deployment's demand are expected")
        weights[row.text("deployment")].append({int(index): weight for index, weight in by_demand.items()})
        row.done()
    fields.done()
    return Certificate({k: int(v) for k, v in pools.items()}, {k: int(v) for k, v in resources.items()}, int(claimed), dict(weights))
