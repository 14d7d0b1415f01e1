"""The loss of a provider, a region, a zone or a cluster, as a what-if of a snapshot."""

from __future__ import annotations

from dataclasses import replace

from scheduler.domain.fleet import Cluster
from scheduler.domain.lifecycle import ClusterState
from scheduler.domain.offer import Offer, Reservation
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.optimizer.question import USAGE, Question


def lose(snapshot: Snapshot, asked: Question) -> Snapshot:
    """Clusters there are lost, with their nodes and replicas; offers there have no stock, reservations there hold nothing."""
    kind, _, name = asked.subject.partition(":")
    names = _names(snapshot)
    if kind not in names:
        raise asked.wrong(f"{kind!r} is nothing that can be lost", f"Write {USAGE['lose']}.")
    if name not in names[kind]:
        raise asked.unknown(kind, name, names[kind])
    clusters = tuple(_after_loss(snapshot, cluster, kind, name) for cluster in snapshot.clusters)
    touched = {after.id: after for before, after in zip(snapshot.clusters, clusters, strict=True) if after is not before}
    struck = {cluster.id for cluster in touched.values() if cluster.state is ClusterState.LOST}
    lost = _lost_offers(snapshot, clusters, kind, name)
    nodes = tuple(
        node
        for node in snapshot.nodes
        if node.cluster not in struck and not (node.cluster in touched and f"{_region(touched[node.cluster])}:{node.zone}" == name)
    )
    left = {node.id for node in nodes}
    return replace(
        snapshot,
        # A reservation of a whole region stands in the zone of the first offer of its type: that has to be one that is left.
        offers=(*(offer for offer in snapshot.offers if offer.id not in lost), *lost.values()),
        caps={**snapshot.caps, **{identity: LaunchCap(0, 1.0, f"what if: {asked.text}") for identity in lost}},
        reservations=tuple(held for held in snapshot.reservations if _domain(kind, held) != name),
        clusters=clusters,
        nodes=nodes,
        replicas=tuple(r for r in snapshot.replicas if r.cluster not in struck and all(node in left for node in r.nodes)),
    )


def _names(snapshot: Snapshot) -> dict[str, set[str]]:
    """What could be lost, by kind; places as ``provider:region:zone``."""
    clusters, offers = snapshot.clusters, snapshot.offers
    zones = {f"{_region(cluster)}:{zone}" for cluster in clusters for zone in cluster.zones}
    where = {cluster.id: _region(cluster) for cluster in clusters}
    zones |= {f"{where[node.cluster]}:{node.zone}" for node in snapshot.nodes if node.cluster in where}
    return {
        "provider": {cluster.provider for cluster in clusters} | {offer.provider for offer in offers},
        "region": {_region(cluster) for cluster in clusters} | {_region(offer) for offer in offers},
        "zone": zones | {_domain("zone", offer) for offer in offers},
        "cluster": {cluster.id for cluster in clusters},
    }


def _region(of: Cluster | Offer | Reservation) -> str:
    return f"{of.provider}:{of.region}"


def _domain(kind: str, of: Offer | Reservation) -> str:
    """The name of what this would be lost with; "" for a cluster, which holds neither offers nor reservations of its own."""
    return {"provider": of.provider, "region": _region(of), "zone": f"{_region(of)}:{of.zone}"}.get(kind, "")


def _after_loss(snapshot: Snapshot, cluster: Cluster, kind: str, name: str) -> Cluster:
    """The same object where the loss does not concern it. A cluster that loses a zone keeps its others, if there are any."""
    if name == {"provider": cluster.provider, "region": _region(cluster), "cluster": cluster.id}.get(kind):
        return replace(cluster, state=ClusterState.LOST)
    region, _, zone = name.rpartition(":")
    if kind != "zone" or region != _region(cluster) or (cluster.zones and zone not in cluster.zones):
        return cluster
    others = tuple(sorted((set(cluster.zones) or _zones(snapshot, cluster)) - {zone, ""}))
    return replace(cluster, zones=others) if others else replace(cluster, state=ClusterState.LOST)


def _zones(snapshot: Snapshot, cluster: Cluster) -> set[str]:
    """Zones of the cluster's place that anything is offered, held or running in."""
    offered = {offer.zone for offer in snapshot.offers if _place(offer) == _place(cluster)}
    held = {reservation.zone for reservation in snapshot.reservations if _place(reservation) == _place(cluster)}
    return offered | held | {node.zone for node in snapshot.nodes if node.cluster == cluster.id}


def _lost_offers(snapshot: Snapshot, clusters: tuple[Cluster, ...], kind: str, name: str) -> dict[str, Offer]:
    """Offers that launch nothing any more, by id. Those of a lost cluster stay where another cluster in its place may use them."""
    if kind != "cluster":
        return {offer.id: offer for offer in snapshot.offers if _domain(kind, offer) == name}
    place = next(_place(cluster) for cluster in clusters if cluster.id == name)
    if any(_place(cluster) == place and cluster.state is not ClusterState.LOST for cluster in clusters):
        return {}
    return {offer.id: offer for offer in snapshot.offers if _place(offer) == place}


def _place(of: Cluster | Offer | Reservation) -> tuple[str, str, str]:
    return (of.provider, of.account, of.region)
