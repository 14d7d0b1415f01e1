"""The market's JSON API without HTTP: cloud calls for adapters, admin calls for people and tests, faults on order.

Routes a parsed call to the estate and turns the result into JSON. Knows no sockets.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from providers.simulated.admin import Admin
from providers.simulated.estate import Estate
from providers.simulated.record import LaunchOrder
from providers.simulated.wire import Json, offer_to_json, quota_to_json
from scheduler.domain.offer import CapacityType

PAGE_ROWS_MAX = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Json
    parts: Mapping[str, str] = field(default_factory=dict)


class HangUpError(Exception):
    """Close the connection without an answer, as a timeout looks from outside."""


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> None:
        self.status, self.code, self.retry_after_s = status, code, retry_after_s
        super().__init__(message)


class MarketApi:
    """All calls of one market."""

    def __init__(self, estate: Estate, url: str) -> None:
        """``url`` is where the market answers, for the machines' metadata address."""
        self.estate, self._url = estate, url
        self.admin = Admin(estate)
        self._faults: Counter[str] = Counter()
        self._faults_lock = threading.Lock()

    def take_fault(self, kind: str, cloud: str) -> bool:
        """Use up one ordered fault of this kind, for this cloud or for any."""
        with self._faults_lock:
            for key in (f"{kind}:{cloud}", f"{kind}:"):
                if self._faults[key] > 0:
                    self._faults[key] -= 1
                    return True
            return False

    # Cloud API

    def list_offers(self, call: Call) -> Json:
        cloud, start = call.parts["cloud"], _whole(call.query.get("next", "0"), "next")
        size = min(max(1, _whole(call.query.get("page_size", "100"), "page_size")), PAGE_ROWS_MAX)
        with self.estate.lock:
            self.estate.step()
            offers = self.estate.market.offers(cloud)
        if not offers:
            raise ApiError(404, "not_found", f"no such cloud: {cloud}")
        region = call.query.get("region", "")
        wanted = sorted((offer for offer in offers if region in ("", offer.region)), key=lambda offer: offer.id)
        end = start + size
        following = str(end) if end < len(wanted) else None
        return {"offers": [offer_to_json(offer) for offer in wanted[start:end]], "next": following}

    def list_quotas(self, call: Call) -> Json:
        with self.estate.lock:
            self.estate.step()
            return {"quotas": [quota_to_json(quota) for quota in self.estate.market.quotas(call.parts["cloud"])]}

    def launch(self, call: Call) -> Json:
        order = _launch_order(call)
        try:
            machine = self.estate.launch(order, self._url)
        except OSError as error:
            raise ApiError(400, "bad_request", f"the machine's command cannot be run: {error}") from error
        if self.take_fault("timeout_after_create", order.cloud):
            raise HangUpError
        return machine.to_json()

    def list_machines(self, call: Call) -> Json:
        found = self.estate.find(call.parts["cloud"], call.query.get("launch_token", ""))
        return {"machines": [machine.to_json() for machine in found]}

    def terminate(self, call: Call) -> Json:
        return self.estate.terminate(call.parts["cloud"], call.parts["id"]).to_json()

    def order_fault(self, call: Call) -> Json:
        kind, cloud = str(call.body.get("kind", "")), str(call.body.get("cloud", ""))
        if kind not in FAULTS:
            raise ApiError(400, "bad_request", f"kind must be one of {', '.join(FAULTS)}, not {kind!r}")
        with self._faults_lock:
            self._faults[f"{kind}:{cloud}"] += _whole(call.body.get("count", 1), "count")
        return {"kind": kind, "cloud": cloud}

    def handle(self, call: Call) -> Json:
        """Find the route and run it. Raises ApiError, HangUpError, NoSuchError, RefusedError."""
        for method, pattern, action in ROUTES:
            fits = re.fullmatch(pattern, call.path)
            if fits is not None and method == call.method:
                parts = {name: unquote(value) for name, value in fits.groupdict().items()}
                cloud = parts.get("cloud", "")
                if cloud and self.take_fault("rate_limit", cloud):
                    raise ApiError(429, "rate_limited", "slow down", retry_after_s=1)
                if cloud and self.take_fault("error", cloud):
                    raise ApiError(503, "unavailable", "try again later")
                return action(self, replace(call, parts=parts))
        if call.method == "POST" and call.path.startswith("/admin/"):
            return self.admin.handle(call.path.removeprefix("/admin/"), call.body)
        raise ApiError(404, "not_found", f"no such path: {call.method} {call.path}")


FAULTS = ("timeout_after_create", "rate_limit", "error")
_CLOUD = r"/v1/(?P<cloud>[a-z0-9-]+)"
ROUTES: tuple[tuple[str, str, Callable[[MarketApi, Call], Json]], ...] = (
    ("GET", _CLOUD + "/offers", MarketApi.list_offers),
    ("GET", _CLOUD + "/quotas", MarketApi.list_quotas),
    ("POST", _CLOUD + "/machines", MarketApi.launch),
    ("GET", _CLOUD + "/machines", MarketApi.list_machines),
    ("DELETE", _CLOUD + "/machines/(?P<id>[^/]+)", MarketApi.terminate),
    ("GET", "/admin/state", lambda server, call: server.admin.state(call.query.get("match", ""))),
    ("POST", "/admin/fault", MarketApi.order_fault),
)


def _launch_order(call: Call) -> LaunchOrder:
    body = call.body
    try:
        order = LaunchOrder(
            cloud=call.parts["cloud"],
            region=str(body["region"]),
            zone=str(body["zone"]),
            instance_type=str(body["instance_type"]),
            capacity_type=CapacityType(body["capacity_type"]),
            launch_token=str(body["launch_token"]),
            argv=tuple(str(part) for part in body["argv"]),
            env={str(name): str(value) for name, value in body.get("env", {}).items()},
            node=str(body.get("node", "")),
            cluster=str(body.get("cluster", "")),
        )
    except KeyError as error:
        raise ApiError(400, "bad_request", f"field {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ApiError(400, "bad_request", str(error)) from error
    if not order.argv or not order.launch_token:
        raise ApiError(400, "bad_request", "argv and launch_token must not be empty")
    return order


def _whole(value: object, name: str) -> int:
    text = str(value)
    if not text.isdigit():
        raise ApiError(400, "bad_request", f"{name} must be a whole number, not {value!r}")
    return int(text)
