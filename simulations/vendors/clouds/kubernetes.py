"""A Kubernetes API server, played: nodes, pods, secrets, a scheduler that binds at once; and CoreWeave's node pools on top.

Beside the nodes that are for sale it holds what every cluster has: machines without GPUs, cordoned ones, half-used ones, pods of others.
"""

from __future__ import annotations

import base64
import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Estate, Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, PageExpiredError, Product, RefusedError, Seen, bearer
from simulations.vendors.server import Route

KEY = "fake.service.account.token"
PODS = "/api/v1/namespaces/(?P<namespace>[a-z0-9-]+)/pods"
SECRETS = "/api/v1/namespaces/(?P<namespace>[a-z0-9-]+)/secrets"
POOLS = "/apis/compute.coreweave.com/v1alpha1/nodepools"
NAME = "(?P<name>[a-z0-9-]+)"
REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "AlreadyExists", 410: "Expired", 422: "Invalid",
    429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable",
}  # fmt: skip
GPU = "nvidia.com/gpu"
MODELS = {"NodeList": "V1NodeList", "PodList": "V1PodList", "Pod": "V1Pod", "Secret": "V1Secret", "Status": "V1Status"}
POOL_SPEC = {
    "computeClass",
    "instanceType",
    "targetNodes",
    "minNodes",
    "maxNodes",
    "nodeLabels",
    "nodeAnnotations",
    "nodeTaints",
    "autoscaling",
    "lifecycle",
}


class Kubernetes(Fake):
    """One cluster on AWS, with NVIDIA's feature discovery."""

    kind = "kubernetes"
    sdk = "kubernetes"
    schema = "models of the official client, OpenAPI 1.37"
    paged = True
    late_stockouts = True
    priced = False

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        # The official client takes seconds to import; a request that is being validated cannot wait for it.
        _client()
        self.pods: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("p5.48xlarge", "NVIDIA-H100-80GB-HBM3", 8, 80, 192, 2048, 55.04, {"us-east-1a": 2, "us-east-1b": 0}),
            Product("g6.12xlarge", "NVIDIA-L4", 4, 24, 48, 192, 4.60, {"us-east-1a": 3, "eu-central-1a": 1}),
            Product("p4de.24xlarge", "NVIDIA-A100-SXM4-80GB", 8, 80, 96, 1152, 27.45, {"eu-central-1a": 1}),
            Product("g4dn.xlarge", "Tesla-T4", 1, 16, 4, 16, 0.53, {"us-east-1b": 4}),
        )

    def settings(self, url: str) -> ProviderSettings:
        prices = ",".join(f"{product.name}={product.usd_per_h}" for product in self.products())
        options = {"image": "registry.example/headrace:1", "prices": prices}
        return ProviderSettings(self.kind, self.kind, account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"KUBERNETES_TOKEN": KEY}

    def routes(self) -> list[Route]:
        calls: list[Route] = [
            ("GET", "/api/v1/nodes", lambda asked: self._listed(asked, "NodeList", self._nodes())),
            ("GET", "/api/v1/pods", lambda asked: self._listed(asked, "PodList", [*self._foreign(), *self._living()])),
            ("GET", PODS, self._own_pods),
            ("POST", PODS, self._create_pod),
            ("GET", f"{PODS}/{NAME}", lambda asked: self._found(self._living_by_name().get(asked.parts["name"]))),
            ("DELETE", f"{PODS}/{NAME}", self._delete_pod),
            ("POST", SECRETS, self._put_secret),
            ("PUT", f"{SECRETS}/{NAME}", self._put_secret),
            ("DELETE", f"{SECRETS}/{NAME}", lambda asked: self._found(self.secrets.pop(asked.parts["name"], None))),
        ]
        return [(method, path, self._guarded(action)) for method, path, action in calls]

    def check(self, asked: Asked, answer: Answer) -> None:
        for document in (asked.body, answer.body):
            if isinstance(document, dict) and document.get("kind") in MODELS:
                _validate(document)

    def spoilt(self, status: int) -> Answer:
        return _status(status, "the server says no")

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/pods")

    def is_release(self, asked: Asked) -> bool:
        return asked.method == "DELETE" and "/pods/" in asked.path

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """The official client lists; its own arithmetic of quantities counts. A cluster tells no prices."""
        utils: Any = importlib.import_module("kubernetes.utils")
        client = _client()
        configuration = client.Configuration(host=url, api_key={"BearerToken": KEY}, api_key_prefix={"BearerToken": "Bearer"})
        core = client.CoreV1Api(client.ApiClient(configuration))
        taken: dict[str, int] = {}
        for pod in core.list_pod_for_all_namespaces().items:
            amounts = [
                utils.parse_quantity(((each.resources and each.resources.requests) or {}).get(GPU, 0)) for each in pod.spec.containers
            ]
            if pod.spec.node_name and pod.status.phase not in ("Succeeded", "Failed"):
                taken[pod.spec.node_name] = taken.get(pod.spec.node_name, 0) + int(sum(amounts))
        free: dict[tuple[str, str], int] = {}
        for node in core.list_node().items:
            if int(utils.parse_quantity(node.status.allocatable.get(GPU, "0"))):
                place = node.metadata.labels["node.kubernetes.io/instance-type"], node.metadata.labels["topology.kubernetes.io/zone"]
                ready = {each.type: each.status for each in node.status.conditions}["Ready"] == "True"
                whole = ready and not node.spec.unschedulable and not taken.get(node.metadata.name)
                free[place] = free.get(place, 0) + whole
        for (name, zone), count in free.items():
            yield Seen(name, zone, spot=False, micro_usd_per_h=None, stock=f"{count} left")

    # what the cluster holds ------------------------------------------------------------------------------------------------------

    def _guarded(self, action: Any) -> Any:
        return lambda asked: action(asked) if bearer(asked, KEY) else _status(401, "Unauthorized")

    def _listed(self, asked: Asked, kind: str, rows: list[dict[str, Any]]) -> Answer:
        try:
            page, following = self.estate.page(rows, asked.query.get("continue", ""), int(asked.query.get("limit", len(rows) or 1)))
        except PageExpiredError:
            return _status(410, "The provided continue parameter is too old to display a consistent list result.")
        metadata = {"resourceVersion": "4711", **({"continue": following} if following else {})}
        return Answer({"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": page})

    def _found(self, row: dict[str, Any] | None) -> Answer:
        return _status(404, "not found") if row is None else Answer(row)

    def _nodes(self) -> list[dict[str, Any]]:
        rows = [_node("control-0", "m7i.large", "us-east-1a", {"cpu": "1930m", "memory": "7244720Ki"})]
        for product in self.estate.products:
            room = {"cpu": f"{product.vcpus * 1000 - 200}m", "memory": f"{product.memory_gib * 2**20 - 1024}Ki", GPU: str(product.gpus)}
            for zone, stock in product.stock.items():
                marks = {
                    "nvidia.com/gpu.product": product.gpu.replace(" ", "-"),
                    "nvidia.com/gpu.memory": str(product.gpu_memory_gib * 1024),
                }
                names = [*_names(product.name, zone, stock), f"{product.name}-{zone}-busy"]
                rows += [_node(name, product.name, zone, room, marks) for name in names]
                rows.append(_node(f"{product.name}-{zone}-cordoned", product.name, zone, room, marks, cordoned=True))
        return rows

    def _foreign(self) -> list[dict[str, Any]]:
        """Pods of others: one takes a single GPU of each busy node, one is done and takes none."""
        busy = [f"{product.name}-{zone}-busy" for product in self.estate.products for zone in product.stock]
        return [
            *(_pod(f"trainer-{number}", node, "Running", "1") for number, node in enumerate(busy)),
            *(_pod(f"done-{number}", node.replace("busy", "0"), "Succeeded", "1") for number, node in enumerate(busy)),
        ]

    def _living(self) -> list[dict[str, Any]]:
        return list(self._living_by_name().values())

    def _living_by_name(self) -> dict[str, dict[str, Any]]:
        """Our pods whose machine still stands; one whose machine somebody else released is gone with it."""
        return {name: pod for name, pod in self.pods.items() if pod["metadata"]["uid"] in self.estate.machines}

    def _own_pods(self, asked: Asked) -> Answer:
        chosen = [pod for pod in self._living() if pod["metadata"]["namespace"] == asked.parts["namespace"] and _selected(asked, pod)]
        return self._listed(asked, "PodList", chosen)

    # what it does ----------------------------------------------------------------------------------------------------------------

    def _create_pod(self, asked: Asked) -> Answer:
        order = asked.body
        name = order["metadata"]["name"]
        if name in self._living_by_name():
            return _status(409, f'pods "{name}" already exists')
        wrong = self._wrong(order)
        if wrong:
            return _status(422, wrong)
        return self._place(order)

    def _wrong(self, order: dict[str, Any]) -> str:
        """What the API server would refuse."""
        container = order["spec"]["containers"][0]
        resources = container["resources"]
        if resources["requests"].get(GPU) != resources["limits"].get(GPU):
            return "must be equal to nvidia.com/gpu limit"
        bad = [
            value
            for value in order["metadata"]["labels"].values()
            if not re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)
        ]
        if bad or any(each["secretRef"]["name"] not in self.secrets for each in container["envFrom"]):
            return f"bad labels {bad}, or a secret that does not exist"
        terms = _terms(order)
        return "Required value: must be only one value" if any(len(each["matchFields"][0]["values"]) != 1 for each in terms) else ""

    def _place(self, order: dict[str, Any]) -> Answer:
        """Bind the pod to the first named node that is free, or leave it unschedulable."""
        names = [each["matchFields"][0]["values"][0] for each in _terms(order)]
        taken = {pod["spec"].get("nodeName") for pod in self._living()}
        free = [name for name in names if name not in taken]
        product, zone = _place_of(free[0], self.estate.products) if free else ("", "")
        try:
            machine = self.estate.create(product, zone) if free else None
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                return _status(
                    403, f'pods "{order["metadata"]["name"]}" is forbidden: exceeded quota: gpus, requested: {GPU}=4, used: {GPU}=0'
                )
            machine = None
        pod = _admitted(order)
        if machine is None or machine.failed:
            machine = machine or Machine(f"waiting-{len(self.estate.machines)}", product, zone, spot=False, running=False, failed=True)
            self.estate.machines[machine.id] = machine
            waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/9 nodes are available"}
            pod["status"] = {"phase": "Pending", "conditions": [waiting]}
        else:
            pod["spec"]["nodeName"] = free[0]
            pod["status"] = {"phase": "Running", "podIP": "10.42.0.7", "conditions": [{"type": "PodScheduled", "status": "True"}]}
        pod["metadata"]["uid"] = machine.id
        self.pods[pod["metadata"]["name"]] = pod
        return Answer(pod, 201)

    def _delete_pod(self, asked: Asked) -> Answer:
        pod = self._living_by_name().get(asked.parts["name"])
        if pod is not None:
            self.estate.delete(pod["metadata"]["uid"])
            del self.pods[asked.parts["name"]]
        return self._found(pod)

    def _put_secret(self, asked: Asked) -> Answer:
        name = asked.body["metadata"]["name"]
        if asked.method == "POST" and name in self.secrets:
            return _status(409, f'secrets "{name}" already exists')
        kept = {key: value for key, value in asked.body.items() if key != "stringData"}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in asked.body["stringData"].items()}
        self.secrets[name] = {**kept, "data": data}
        return Answer(self.secrets[name], 201)


class CoreWeave(Kubernetes):
    """A CoreWeave cluster: GPU nodes come from node pools, whose conditions tell quota and capacity."""

    kind = "coreweave"
    sdk = ""
    schema = "models of the official client, OpenAPI 1.37; node pools after the vendor's reference"
    late_stockouts = True

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        self.pools: dict[str, dict[str, Any]] = {}

    @classmethod
    def products(cls) -> Sequence[Product]:
        zone = "US-EAST-04A"
        return (
            Product("gd-8xh100ib-i128", "H100", 8, 80, 128, 2048, 49.24, {zone: 2}),
            Product("gd-8xl40s-i128", "L40S", 8, 48, 128, 1024, 18.0, {zone: 3}),
            Product("gd-1xgh200", "GH200", 1, 96, 72, 480, 6.5, {zone: 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"image": "registry.example/headrace:1"}
        return ProviderSettings(self.kind, self.kind, account="main", endpoint=url, options=options)

    def routes(self) -> list[Route]:
        calls: list[Route] = [
            ("GET", POOLS, lambda asked: self._listed(asked, "NodePoolList", [pool for pool in self._pools() if _selected(asked, pool)])),
            ("POST", POOLS, self._create_pool),
            ("GET", f"{POOLS}/{NAME}", lambda asked: self._found(self._pool(asked.parts["name"]))),
            ("DELETE", f"{POOLS}/{NAME}", self._delete_pool),
        ]
        return [*super().routes(), *((method, path, self._guarded(action)) for method, path, action in calls)]

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path == POOLS

    def is_release(self, asked: Asked) -> bool:
        return asked.method == "DELETE" and asked.path.startswith(POOLS)

    def _nodes(self) -> list[dict[str, Any]]:
        zone = "US-EAST-04A"
        rows = [_node("system-0", "cd-gp-i64-erapids", zone, {"cpu": "63", "memory": "520000000Ki"}, cloud="")]
        for product in self.estate.products:
            room = {"cpu": str(product.vcpus), "memory": f"{product.memory_gib * 2**20}Ki", GPU: str(product.gpus)}
            marks = {"gpu.nvidia.com/model": product.gpu, "gpu.nvidia.com/count": str(product.gpus)}
            rows.append(_node(f"g-{product.name}", product.name, zone, room, marks, cloud=""))
        return rows

    def _foreign(self) -> list[dict[str, Any]]:
        return []

    def _place(self, order: dict[str, Any]) -> Answer:
        """A pod that selects a node to come waits for it."""
        pod = _admitted(order)
        pod["metadata"]["uid"] = f"uid-{pod['metadata']['name']}"
        pod["status"] = {"phase": "Pending"}
        self.pods[pod["metadata"]["name"]] = pod
        return Answer(pod, 201)

    def _living_by_name(self) -> dict[str, dict[str, Any]]:
        return self.pods

    def _pools(self) -> list[dict[str, Any]]:
        return [pool for pool in self.pools.values() if pool["metadata"]["uid"] in self.estate.machines]

    def _pool(self, name: str) -> dict[str, Any] | None:
        return next((pool for pool in self._pools() if pool["metadata"]["name"] == name), None)

    def _create_pool(self, asked: Asked) -> Answer:
        name, spec = asked.body["metadata"]["name"], asked.body["spec"]
        if self._pool(name) is not None:
            return _status(409, f'nodepools.compute.coreweave.com "{name}" already exists')
        if set(spec) - POOL_SPEC or spec["targetNodes"] != 1 or asked.body["apiVersion"] != "compute.coreweave.com/v1alpha1":
            return _status(422, f"unknown or wrong fields in {sorted(spec)}")
        verdict = {"Quota": ("True", "Under", "nodePool is under quota"), "Capacity": ("True", "Sufficient", "capacity is sufficient")}
        try:
            machine = self.estate.create(spec["instanceType"], "US-EAST-04A")
        except RefusedError as refused:
            machine = Machine(
                f"waiting-{len(self.estate.machines)}", spec["instanceType"], "US-EAST-04A", spot=False, running=False, failed=True
            )
            self.estate.machines[machine.id] = machine
            if refused.refusal is Refusal.QUOTA:
                verdict["Quota"] = ("False", "NotSet", f"quota limit is 0 for instance type {spec['instanceType']}")
        if machine.failed and verdict["Quota"][0] == "True":
            verdict["Capacity"] = ("False", "QueuedAwaitingCapacity", "waiting for capacity")
        told = [{"type": kind, "status": status, "reason": reason, "message": text} for kind, (status, reason, text) in verdict.items()]
        pool = {**asked.body, "status": {"currentNodes": 0, "conditions": told}}
        pool["metadata"] = {**pool["metadata"], "uid": machine.id}
        self.pools[name] = pool
        return Answer(pool, 201)

    def _delete_pool(self, asked: Asked) -> Answer:
        pool = self._pool(asked.parts["name"])
        if pool is not None:
            self.estate.delete(pool["metadata"]["uid"])
            del self.pools[asked.parts["name"]]
        return self._found(pool)


def _status(code: int, message: str) -> Answer:
    failure = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": REASONS[code]}
    return Answer({**failure, "code": code}, code)


def _client() -> Any:
    return importlib.import_module("kubernetes.client")


def _validate(document: dict[str, Any]) -> None:
    """The official client's model takes it and gives the same back: no unknown field, no wrong type."""
    client = _client()
    model = getattr(client, MODELS[document["kind"]]).from_dict(document)
    back = client.ApiClient().sanitize_for_serialization(model)
    if _without_times(back) != _without_times(document):
        raise ValueError(f"{document['kind']} has fields that the official client does not know: {document}")


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if not key.endswith(("Time", "Timestamp"))}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def _names(product: str, zone: str, stock: int) -> list[str]:
    return [f"{product}-{zone}-{number}" for number in range(stock)]


def _place_of(node: str, products: Sequence[Product]) -> tuple[str, str]:
    for product in products:
        for zone, stock in product.stock.items():
            if node in _names(product.name, zone, stock):
                return product.name, zone
    raise ValueError(f"a pod wants to run on {node}, which is not free")


def _node(
    name: str,
    kind: str,
    zone: str,
    room: Mapping[str, str],
    marks: Mapping[str, str] | None = None,
    *,
    cordoned: bool = False,
    cloud: str = "aws:///",
) -> dict[str, Any]:
    labels = {"node.kubernetes.io/instance-type": kind, "topology.kubernetes.io/region": zone[:-1], "topology.kubernetes.io/zone": zone}
    spec: dict[str, Any] = {"providerID": f"{cloud}{zone}/{name}"} if cloud else {}
    if GPU in room:
        spec["taints"] = [{"key": GPU, "value": "present", "effect": "NoSchedule"}]
    if cordoned:
        spec["unschedulable"] = True
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {**labels, **(marks or {})}},
        "spec": spec,
        "status": {"allocatable": dict(room), "capacity": dict(room), "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _pod(name: str, node: str, phase: str, gpus: str) -> dict[str, Any]:
    container = {"name": "main", "image": "train", "resources": {"limits": {GPU: gpus}, "requests": {GPU: gpus}}}
    return {
        "metadata": {"name": name, "namespace": "research", "uid": f"uid-{name}", "labels": {"app": "train"}},
        "spec": {"nodeName": node, "containers": [container]},
        "status": {"phase": phase},
    }


def _admitted(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "metadata": dict(order["metadata"]), "spec": dict(order["spec"])}


def _terms(order: dict[str, Any]) -> list[dict[str, Any]]:
    affinity = (order["spec"].get("affinity") or {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms: list[dict[str, Any]] = affinity.get("nodeSelectorTerms", [])
    return terms


def _selected(asked: Asked, row: dict[str, Any]) -> bool:
    wanted = dict(part.split("=", 1) for part in asked.query.get("labelSelector", "").split(",") if part)
    labels: dict[str, str] = row["metadata"]["labels"]
    return wanted.items() <= labels.items()
