"""Verda's sign-in: OAuth2 client credentials. Source: FACTS.md."""

from __future__ import annotations

from collections.abc import Callable

import httpx2

from providers.signin import TokenAuth
from providers.verda.errors import ERRORS
from scheduler.domain.ports import Clock

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path


class ClientCredentials(TokenAuth):
    """The sign-in of one project."""

    def __init__(self, endpoint: str, secrets: Callable[[], tuple[str, str]], clock: Clock) -> None:
        """``secrets`` yields client id and secret; it raises AuthError where they are missing."""
        super().__init__(ERRORS, clock)
        self._url, self._secrets = endpoint.rstrip("/") + TOKEN_PATH, secrets

    def sign_in(self) -> httpx2.Request:
        client, secret = self._secrets()
        body = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        return httpx2.Request("POST", self._url, json=body, headers={"Accept": "application/json"})
