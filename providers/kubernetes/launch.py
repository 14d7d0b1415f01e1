"""A launch as Kubernetes objects, and objects back as machines. Pure.

Every launch has a Secret with the agent's environment, which holds the join token, and a Pod that takes all accelerators of a node.
Both are called by the launch token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.kubernetes.growth import conditions
from scheduler.domain.errors import InvalidInputError, StockoutError
from scheduler.domain.ports import CloudNode, LaunchRequest

Row = Mapping[str, Any]

TOKEN_LABEL = "headrace/launch-token"  # noqa: S105 (a label's key)
REGION_NOTE, ZONE_NOTE = "headrace/region", "headrace/zone"
OWNED = {"app.kubernetes.io/managed-by": "headrace"}
SELECTOR = ",".join(f"{key}={value}" for key, value in OWNED.items())
NODES_MAX = 100
"""Candidates named in one pod; the scheduler takes one of them."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What every agent pod of a cluster shares.

    Attributes:
        image: a container image with headrace. tolerated: taint keys. requests: CPU and memory, as Kubernetes writes them.
    """

    namespace: str
    image: str
    tolerated: tuple[str, ...]
    requests: Mapping[str, str]
    service_account: str
    host_network: bool


def metadata(request: LaunchRequest) -> dict[str, Any]:
    """Name, labels and notes of every object of one launch.

    Raises:
        InvalidInputError: the token is no name that Kubernetes takes.
    """
    token = request.launch_token
    if not _NAME.fullmatch(token):
        raise InvalidInputError("launch_token", token, "no Kubernetes name", "At most 63 of a-z, 0-9 and dashes.")
    return {
        "name": token,
        "labels": {**OWNED, TOKEN_LABEL: token},
        "annotations": {REGION_NOTE: request.offer.region, ZONE_NOTE: request.offer.zone},
    }


def secret(request: LaunchRequest, template: PodTemplate) -> dict[str, Any]:
    """The agent's environment, out of sight of those who may read pods."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**metadata(request), "namespace": template.namespace},
        "type": "Opaque",
        "stringData": dict(request.env),
    }


def pod(request: LaunchRequest, template: PodTemplate, resource: str, on: Sequence[str]) -> dict[str, Any]:
    """The agent's pod.

    Args:
        resource: the accelerator's resource name, of which it takes as many as the offer has.
        on: names of the nodes it may run on; empty for the node that carries the launch token.
    """
    named = metadata(request)
    amounts = {**template.requests, resource: str(request.offer.instance_type.accelerator_count)}
    container: dict[str, Any] = {
        "name": "agent",
        "image": template.image,
        "envFrom": [{"secretRef": {"name": request.launch_token}}],
        "resources": {"requests": amounts, "limits": {resource: amounts[resource]}},
        # Engines that split a model over GPUs talk through shared memory, of which a container has 64 MiB by default.
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],  # noqa: S108
    }
    if request.argv:
        container["command"] = list(request.argv)
    spec: dict[str, Any] = {
        "containers": [container],
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
        "restartPolicy": "Always",
        "automountServiceAccountToken": False,
        "tolerations": [{"key": key, "operator": "Exists"} for key in template.tolerated],
    }
    if template.service_account:
        spec["serviceAccountName"] = template.service_account
    if template.host_network:
        spec |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    if on:
        # One term per node, because a field selector takes a single value; terms are alternatives.
        terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]} for node in on[:NODES_MAX]]
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    else:
        spec["nodeSelector"] = {TOKEN_LABEL: request.launch_token}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**named, "namespace": template.namespace}, "spec": spec}


def scheduled(provider: str, row: Row) -> bool:
    """Whether the pod has its node. Raises StockoutError where the scheduler finds none."""
    if (row.get("spec") or {}).get("nodeName"):
        return True
    told = conditions(row).get("PodScheduled", {})
    if told.get("status") == "False" and told.get("reason") == "Unschedulable":
        raise StockoutError(provider, f"no free node: {told.get('message', '')}", "Unschedulable")
    return False


def node(row: Row, agent: Row | None = None) -> CloudNode:
    """A pod, or an object that stands for a node and the pod that runs on it, as the port describes it."""
    meta, status = row["metadata"], row.get("status") or {}
    agent_status = (row if agent is None else agent).get("status") or {}
    phase = str(agent_status.get("phase") or "Pending")
    gone = bool(meta.get("deletionTimestamp")) or status.get("phase") in ("Succeeded", "Failed")
    notes = meta.get("annotations") or {}
    return CloudNode(
        str(meta["name"]),
        str((meta.get("labels") or {}).get(TOKEN_LABEL) or ""),
        not gone,
        str(notes.get(REGION_NOTE) or ""),
        str(notes.get(ZONE_NOTE) or ""),
        str(agent_status.get("podIP") or ""),
        "Terminating" if meta.get("deletionTimestamp") else phase,
    )
