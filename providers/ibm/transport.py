"""IBM's sign-in: an API key is exchanged for a token. Source: FACTS.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from providers.http import checked_endpoint
from providers.ibm.errors import ERRORS
from providers.signin import TokenAuth
from scheduler.domain.ports import Clock

IAM_ENDPOINT = "https://iam.cloud.ibm.com"
TOKEN_PATH = "/identity/token"  # noqa: S105 - a path
GRANT = "urn:ibm:params:oauth:grant-type:apikey"


class ApiKey(TokenAuth):
    """An API key, read from the environment when needed."""

    def __init__(self, endpoint: str, key: Callable[[], str], clock: Clock) -> None:
        """``key`` raises AuthError where it is missing."""
        super().__init__(ERRORS, clock, told=_told)
        self._url, self._key = checked_endpoint("options.iam_endpoint", endpoint) + TOKEN_PATH, key

    def sign_in(self) -> httpx2.Request:
        form = {"grant_type": GRANT, "apikey": self._key()}
        return httpx2.Request("POST", self._url, data=form, headers={"Accept": "application/json"})


def _told(body: Mapping[str, Any]) -> tuple[str, str]:
    return str(body.get("errorCode") or ""), str(body.get("errorMessage") or "")
