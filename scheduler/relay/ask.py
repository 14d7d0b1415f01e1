"""Asks a relay what the control plane wants to know of it."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
from pydantic import TypeAdapter, ValidationError

from scheduler.domain.errors import HeadraceError

_COUNTS: TypeAdapter[dict[str, int]] = TypeAdapter(dict[str, int])
_TIMEOUT_S = 3.0


class RelayUnreadableError(HeadraceError):
    """The relay did not answer, or not as agreed: who waits is unknown, and not nobody."""


class RelayWaiting:
    """Who waits at one relay. Implements ``domain.ports.WaitingSource``."""

    def __init__(self, admin_port: int) -> None:
        self._http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{admin_port}", timeout=_TIMEOUT_S, trust_env=False)

    async def waiting(self) -> Mapping[str, int]:
        """Requests held, by deployment. Raises RelayUnreadableError."""
        try:
            answer = await self._http.get("/waiting")
            answer.raise_for_status()
            return _COUNTS.validate_json(answer.content)
        except (httpx2.HTTPError, ValidationError) as error:
            raise RelayUnreadableError(f"the relay did not tell who waits: {error!r}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
