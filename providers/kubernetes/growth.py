"""How a cluster grows a node for us: by an object of its own API that stands for exactly one. Pure.

The object's name is the launch token, so that a second order of the same token is refused by the cluster itself. The node carries
the token as a label, and our pod selects it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from providers.kubernetes import labels
from scheduler.domain.errors import InvalidInputError, QuotaExceededError, StockoutError
from scheduler.domain.ports import LaunchRequest

Row = Mapping[str, Any]

QUEUED = "QueuedAwaitingCapacity"


class Growth(Protocol):
    """One way to grow."""

    @property
    def path(self) -> str:
        """The collection of its objects; they belong to no namespace."""
        ...

    def order(self, request: LaunchRequest, metadata: Row) -> dict[str, Any]:
        """The object to create."""
        ...

    def check(self, row: Row) -> bool:
        """Whether the cluster has decided to grow. Raises StockoutError, QuotaExceededError where it cannot."""
        ...


@dataclass(frozen=True, slots=True)
class CoreWeavePool:
    """A CoreWeave node pool of one node. Its conditions ``Quota`` and ``Capacity`` tell soon whether a node will come."""

    provider: str
    path: str = "/apis/compute.coreweave.com/v1alpha1/nodepools"

    def order(self, request: LaunchRequest, metadata: Row) -> dict[str, Any]:
        return {
            "apiVersion": "compute.coreweave.com/v1alpha1",
            "kind": "NodePool",
            "metadata": dict(metadata),
            "spec": {
                "computeClass": "default",
                "instanceType": request.offer.instance_type.name,
                "targetNodes": 1,
                "autoscaling": False,
                "nodeLabels": dict(metadata["labels"]),
            },
        }

    def check(self, row: Row) -> bool:
        told = conditions(row)
        quota, capacity = told.get("Quota", {}), told.get("Capacity", {})
        if quota.get("status") == "False":
            raise QuotaExceededError(self.provider, f"node pool: {quota.get('message', '')}", str(quota.get("reason", "")))
        if capacity.get("status") == "False" or capacity.get("reason") == QUEUED:
            raise StockoutError(self.provider, f"node pool: {capacity.get('message', '')}", str(capacity.get("reason", "")))
        return capacity.get("status") == "True"


@dataclass(frozen=True, slots=True)
class KarpenterClaim:
    """A Karpenter NodeClaim that no NodePool owns, so that Karpenter neither consolidates nor expires it.

    Attributes:
        node_class: group, kind and name of the node class, such as ``karpenter.k8s.aws/EC2NodeClass/default``.
    """

    provider: str
    node_class: tuple[str, str, str]
    path: str = "/apis/karpenter.sh/v1/nodeclaims"

    def order(self, request: LaunchRequest, metadata: Row) -> dict[str, Any]:
        offer, (group, kind, name) = request.offer, self.node_class
        wanted = {
            labels.INSTANCE_TYPE: offer.instance_type.name,
            "karpenter.sh/capacity-type": "spot" if offer.capacity_type.revocable else "on-demand",
        }
        if offer.zone != offer.region:
            wanted[labels.ZONE] = offer.zone
        return {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": dict(metadata),
            "spec": {
                "nodeClassRef": {"group": group, "kind": kind, "name": name},
                "requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in wanted.items()],
                "expireAfter": "Never",
            },
        }

    def check(self, row: Row) -> bool:
        """Karpenter deletes a claim that meets no capacity; the caller sees it gone."""
        return conditions(row).get("Launched", {}).get("status") == "True"


def conditions(row: Row) -> dict[str, Row]:
    """Conditions of an object by their type."""
    return {str(each.get("type")): each for each in (row.get("status") or {}).get("conditions") or ()}


def growth_of(provider: str, named: str, options: Mapping[str, str]) -> Growth | None:
    """Option ``grow``: ``karpenter``, ``coreweave``, or ``none`` for nodes that exist.

    Raises:
        InvalidInputError: another word, or no node class for Karpenter.
    """
    if named in ("", "none"):
        return None
    if named == "coreweave":
        return CoreWeavePool(provider)
    if named != "karpenter":
        raise InvalidInputError("options.grow", named, "unknown", "Write karpenter, coreweave or none.")
    given = options.get("node_class", "")
    parts = tuple(given.split("/"))
    if len(parts) != 3 or not all(parts):
        raise InvalidInputError(
            "options.node_class", given, "no node class", "Write group/Kind/name: karpenter.k8s.aws/EC2NodeClass/default."
        )
    return KarpenterClaim(provider, (parts[0], parts[1], parts[2]))
