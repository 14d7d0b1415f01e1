"""Nodes and pods as offers. Pure.

An offer is a kind of node in a zone, its stock the nodes of which every accelerator is free. Half-used nodes are not sold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.kubernetes import labels
from providers.kubernetes.prices import Prices
from providers.normalise import instance_type, quarantined
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind
from scheduler.domain.ports import Quarantined

Row = Mapping[str, Any]

SCOPE = "cluster"
"""A cluster is read whole or not at all."""

_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares.

    Attributes:
        region: of nodes that carry no region label. jurisdiction: of the whole cluster, "" to take each node's own.
        tolerated: taint keys that our pods tolerate. launch_s: expected time from launch to joined node.
    """

    provider: str
    account: str
    now: datetime
    prices: Prices
    region: str
    jurisdiction: str
    tolerated: frozenset[str]
    launch_s: int


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A GPU node. ``free`` is True where a pod that wants all its accelerators could start."""

    name: str
    resource: str
    kind: InstanceType
    region: str
    zone: str
    capacity: CapacityType
    cloud: str
    free: bool

    @property
    def place(self) -> tuple[str, str, str, CapacityType]:
        """What the offer id of this node is made of."""
        return self.kind.name, self.region, self.zone, self.capacity


@dataclass(frozen=True, slots=True)
class Sight:
    """One reading of the nodes.

    Attributes:
        places: region, zone and cloud of every node, GPUs or not.
        spoilt: instance types of quarantined nodes.
    """

    nodes: list[SeenNode]
    places: list[tuple[str, str, str]]
    spoilt: set[str]
    quarantined: list[Quarantined]


def quantity(text: object) -> Decimal:
    """A Kubernetes quantity, such as ``8``, ``127900m`` or ``2112109804Ki``. Raises ValueError."""
    written = str(text).strip()
    suffix = next((end for end in (written[-2:], written[-1:]) if end in _SUFFIXES), "")
    try:
        return Decimal(written.removesuffix(suffix)) * _SUFFIXES.get(suffix, Decimal(1))
    except InvalidOperation:
        raise ValueError(f"not a quantity: {text!r}") from None


def requested(pods: Iterable[Row]) -> Counter[tuple[str, str]]:
    """Accelerators taken, by (node, resource): what living pods asked for."""
    taken: Counter[tuple[str, str]] = Counter()
    for pod in {str(pod["metadata"]["uid"]): pod for pod in pods}.values():
        spec = pod.get("spec") or {}
        if spec.get("nodeName") and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            for resource in labels.RESOURCES:
                taken[spec["nodeName"], resource] += _wanted(spec, resource)
    return taken


def _wanted(spec: Row, resource: str) -> int:
    """What one pod holds: its containers and sidecars together, or its hungriest init container where that is more."""

    def of(container: Row) -> int:
        return int(quantity(((container.get("resources") or {}).get("requests") or {}).get(resource, 0)))

    sidecars, hungriest = 0, 0
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars += of(container)
            hungriest = max(hungriest, sidecars)
        else:
            hungriest = max(hungriest, sidecars + of(container))
    return max(hungriest, sidecars + sum(of(container) for container in spec.get("containers") or ()))


def sight(stamp: Stamp, found: Iterable[Row], taken: Mapping[tuple[str, str], int]) -> Sight:
    """GPU nodes and places; nodes without accelerators only count as places, GPU nodes that make no sense are quarantined."""
    good: dict[str, SeenNode] = {}
    bad: list[Quarantined] = []
    places: set[tuple[str, str, str]] = set()
    spoilt: set[str] = set()
    for number, row in enumerate(found):
        metadata: Row = row["metadata"] if isinstance(row.get("metadata"), Mapping) else {}
        marks = metadata.get("labels") or {}
        try:
            places.add(_place(stamp, row))
            seen = _node(stamp, row, taken)
            good |= {seen.name: seen} if seen is not None else {}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"field {error} is missing" if isinstance(error, KeyError) else error
            bad.append(quarantined(SCOPE, str(metadata.get("name") or f"row {number}"), reason, marks))
            spoilt.add(str(marks.get(labels.INSTANCE_TYPE, "")))
    return Sight(list(good.values()), sorted(places), spoilt, bad)


def _place(stamp: Stamp, row: Row) -> tuple[str, str, str]:
    marks = row["metadata"].get("labels") or {}
    region = marks.get(labels.REGION) or stamp.region
    cloud = labels.cloud(str((row.get("spec") or {}).get("providerID") or ""))
    return region, marks.get(labels.ZONE) or region, cloud


def _node(stamp: Stamp, row: Row, taken: Mapping[tuple[str, str], int]) -> SeenNode | None:
    name, marks = str(row["metadata"]["name"]), row["metadata"].get("labels") or {}
    allocatable = row["status"]["allocatable"]
    counts = {resource: int(quantity(allocatable.get(resource, 0))) for resource in labels.RESOURCES}
    resource = next((key for key, count in counts.items() if count > 0), "")
    if not resource:
        return None
    named = str(marks.get(labels.INSTANCE_TYPE) or "")
    card = labels.card(marks, stamp.prices.card(named))
    kind = instance_type(
        stamp.provider,
        named or f"{counts[resource]}x-{card}",
        accelerator=card,
        count=counts[resource],
        vcpus=int(quantity(allocatable["cpu"])),
        memory_gib=int(quantity(allocatable["memory"]) / 2**30),
    )
    region, zone, cloud = _place(stamp, row)
    free = _open(stamp, row) and taken.get((name, resource), 0) == 0
    return SeenNode(name, resource, kind, region, zone, labels.capacity(marks), cloud, free)


def _open(stamp: Stamp, row: Row) -> bool:
    """Whether the scheduler would put our pod there: ready, not cordoned, no taint that we do not tolerate."""
    spec, conditions = row.get("spec") or {}, row["status"].get("conditions") or ()
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    hard = {taint.get("key") for taint in spec.get("taints") or () if taint.get("effect") in ("NoSchedule", "NoExecute")}
    return ready and not spec.get("unschedulable") and hard <= stamp.tolerated


def offers(stamp: Stamp, seen: Iterable[SeenNode]) -> tuple[list[Offer], list[Quarantined]]:
    """One offer per kind and place of node."""
    groups: dict[tuple[str, str, str, CapacityType], list[SeenNode]] = {}
    for node in seen:
        groups.setdefault(node.place, []).append(node)
    made: list[Offer] = []
    bad: list[Quarantined] = []
    for group in groups.values():
        # A node with a broken accelerator is no whole one, and nodes differ a little in what the kubelet leaves over:
        # the smallest of the whole ones is what can be promised.
        count = max(node.kind.accelerator_count for node in group)
        whole = [node for node in group if node.kind.accelerator_count == count]
        smallest = min(whole, key=lambda node: (node.kind.vcpus, node.kind.memory_gib))
        try:
            made.append(_offer(stamp, smallest, Availability.of_count(sum(node.free for node in whole))))
        except ValueError as error:
            bad.append(quarantined(SCOPE, smallest.kind.name, error))
    return made, bad


def _offer(stamp: Stamp, node: SeenNode, availability: Availability) -> Offer:
    price, source = stamp.prices.of(node.kind.name, node.region, node.capacity)
    return Offer(
        instance_type=node.kind,
        region=node.region,
        zone=node.zone,
        capacity_type=node.capacity,
        price_micro_usd_per_h=price,
        availability=availability,
        observed_at=stamp.now,
        source_kind=SourceKind.DECLARED,
        source=f"{stamp.provider}: nodes of the cluster, price from {source}",
        account=stamp.account,
        jurisdiction=stamp.jurisdiction or jurisdiction_of(node.cloud or stamp.provider, node.region),
        launch_s=stamp.launch_s,
    )


def grown(stamp: Stamp, seen: Sight) -> list[Offer]:
    """Nodes that the cluster would grow: every row of the price list, where it says, or wherever the cluster has nodes.

    How many there could be nobody tells. A type is left out where this cluster's own nodes of it make no sense.
    """
    cloud_here = next((cloud for _, _, cloud in seen.places if cloud), "")
    return [
        _offer(
            stamp,
            SeenNode("", "", replace(row.instance_type, provider=stamp.provider), region, zone, row.capacity_type, cloud, free=False),
            Availability(),
        )
        for row in stamp.prices.rows
        if row.instance_type.name not in seen.spoilt
        for region, zone, cloud in ([(row.region, row.zone, cloud_here)] if row.region else seen.places)
    ]
