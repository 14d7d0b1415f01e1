"""OAuth2 client credentials: fetches an access token when there is none, keeps it until shortly before it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import timedelta

import httpx2

from providers.http import told
from providers.verda.errors import ERRORS, PROVIDER
from scheduler.domain.errors import AuthError, TransientError
from scheduler.domain.ports import Clock

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
MARGIN = timedelta(seconds=60)


class ClientCredentials(httpx2.Auth):
    """The sign-in of one project, shared by all its requests. A token that is refused before its time is renewed once."""

    requires_response_body = True

    def __init__(self, endpoint: str, secrets: Callable[[], tuple[str, str]], clock: Clock) -> None:
        """``secrets`` yields client id and secret; it raises AuthError where they are missing."""
        self._url, self._secrets, self._clock = endpoint.rstrip("/") + TOKEN_PATH, secrets, clock
        self._token, self._ends = "", clock()

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Send ``request`` with a token; sign in first where there is none. Raises AuthError, TransientError."""
        fresh = self._clock() >= self._ends
        if fresh:
            self._keep((yield self._sign_in()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        reply = yield request
        if reply.status_code == httpx2.codes.UNAUTHORIZED and not fresh:
            self._keep((yield self._sign_in()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _sign_in(self) -> httpx2.Request:
        client, secret = self._secrets()
        body = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        return httpx2.Request("POST", self._url, json=body, headers={"Accept": "application/json"})

    def _keep(self, reply: httpx2.Response) -> None:
        try:
            body = json.loads(reply.content)
        except ValueError:
            body = {}
        if reply.is_client_error and reply.status_code != httpx2.codes.TOO_MANY_REQUESTS:
            code, message = told(body)
            raise AuthError(PROVIDER, f"sign-in: HTTP {reply.status_code}: {message}", code)
        if not reply.is_success:
            raise ERRORS.error("", reply.status_code, f"sign-in: HTTP {reply.status_code}")
        try:
            self._token, self._ends = str(body["access_token"]), self._clock() + timedelta(seconds=float(body["expires_in"])) - MARGIN
        except (KeyError, TypeError, ValueError) as error:
            raise TransientError(PROVIDER, "sign-in: the answer has no token") from error
