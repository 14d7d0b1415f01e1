"""The wire between a cluster agent (or a node's watcher) and the control plane: HTTP and JSON, always dialled by the cluster.

Must not know Ray, nor how either side decides. The control plane's routes use the same adapters, so both ends agree by
construction.
"""

from __future__ import annotations

import ipaddress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx2
from pydantic import TypeAdapter, ValidationError

from scheduler.domain.agentstate import DesiredState, ObservedState
from scheduler.domain.errors import HeadraceError, InvalidInputError
from scheduler.domain.events import Notice

DESIRED: TypeAdapter[DesiredState] = TypeAdapter(DesiredState)
OBSERVED: TypeAdapter[ObservedState] = TypeAdapter(ObservedState)
NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)

_TIMEOUT_S = 5.0
"""For answers that need no waiting; a long poll adds its own wait."""


class ControlUnreachableError(HeadraceError):
    """The control plane did not answer, or not sensibly: keep serving, and ask again later."""


class ControlRefusedError(HeadraceError):
    """The control plane refuses this token: keep serving, and have someone issue a new one."""


class ControlClient:
    """The agent API of one control plane, as one cluster sees it.

    Args:
        control_url: base URL; plain http only on loopback, since the token travels with every request.
        token: bearer token of this cluster, never logged.

    Raises:
        InvalidInputError: the URL is not usable.
    """

    def __init__(self, control_url: str, cluster: str, token: str) -> None:
        check_control_url(control_url)
        self._base = f"{control_url.rstrip('/')}/agent/v1/clusters/{cluster}"
        self._http = httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def desired(self, epoch: int, version: int, wait_s: float) -> DesiredState | None:
        """Wait up to ``wait_s`` seconds for a desired state newer than (epoch, version); None where there is none."""
        query = {"epoch": str(epoch), "version": str(version), "wait_s": f"{wait_s:g}"}
        answer = await self._send("GET", "desired", params=query, timeout=wait_s + _TIMEOUT_S)
        if answer.status_code == httpx2.codes.NO_CONTENT:
            return None
        try:
            return DESIRED.validate_json(answer.content)
        except ValidationError as error:
            raise ControlUnreachableError(f"the desired state could not be read: {error}") from error

    async def post_observed(self, observed: ObservedState) -> float:
        """Report; returns the seconds that the lease now lasts."""
        answer = await self._send("POST", "observed", content=OBSERVED.dump_json(observed))
        try:
            return float(answer.json()["lease_s"])
        except (ValueError, KeyError, TypeError) as error:
            raise ControlUnreachableError(f"the answer to a report could not be read: {error!r}") from error

    async def post_notice(self, notice: Notice) -> None:
        """Pass a cloud's warning on."""
        await self._send("POST", "notices", content=NOTICE.dump_json(notice))

    async def _send(
        self, method: str, path: str, *, params: dict[str, str] | None = None, content: bytes | None = None, timeout: float = _TIMEOUT_S
    ) -> httpx2.Response:
        headers = {"content-type": "application/json"} if content is not None else {}
        try:
            answer = await self._http.request(
                method, f"{self._base}/{path}", params=params, content=content, headers=headers, timeout=timeout
            )
        except httpx2.HTTPError as error:
            raise ControlUnreachableError(f"{method} {path}: {error!r}") from error
        if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise ControlRefusedError(f"{method} {path}: HTTP {answer.status_code}; issue a new agent token for this cluster")
        if not answer.is_success:
            raise ControlUnreachableError(f"{method} {path}: HTTP {answer.status_code} {answer.text[:200]}")
        return answer


def check_control_url(url: str) -> None:
    """Accept https, and http on loopback.

    Raises:
        InvalidInputError: anything else.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and (host == "localhost" or _is_loopback(host)):
        return
    raise InvalidInputError("control_url", url, "not a safe URL for a token", "Use https://, or http:// on loopback.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
