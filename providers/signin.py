"""Tokens that a vendor hands out for a key: fetched when there is none, kept until shortly before they end.

Knows no vendor: a subclass says how its vendor is asked for one.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Generator
from datetime import timedelta

import httpx2

from providers.errors import ErrorTable
from providers.http import Told, told
from scheduler.domain.errors import AuthError, TransientError
from scheduler.domain.ports import Clock

MARGIN = timedelta(seconds=60)


class TokenAuth(httpx2.Auth, ABC):
    """The sign-in of one account, shared by all its requests. A token that is refused before its time is renewed once."""

    requires_response_body = True

    def __init__(self, errors: ErrorTable, clock: Clock, *, told: Told = told) -> None:
        """``told`` reads code and message of a refused sign-in."""
        self._errors, self._clock, self._told = errors, clock, told
        self._token, self._ends = "", clock()

    @abstractmethod
    def sign_in(self) -> httpx2.Request:
        """What asks for a token; its answer has ``access_token`` and ``expires_in``. Raises AuthError where the key is missing."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Send ``request`` with a token; sign in first where there is none. Raises AuthError, TransientError, RateLimitedError."""
        fresh = self._clock() >= self._ends
        if fresh:
            self._keep((yield self.sign_in()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        reply = yield request
        if reply.status_code == httpx2.codes.UNAUTHORIZED and not fresh:
            self._keep((yield self.sign_in()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _keep(self, reply: httpx2.Response) -> None:
        provider = self._errors.provider
        try:
            body = json.loads(reply.content)
        except ValueError:
            body = {}
        if reply.is_client_error and reply.status_code != httpx2.codes.TOO_MANY_REQUESTS:
            code, message = self._told(body) if isinstance(body, dict) else ("", "")
            raise AuthError(provider, f"sign-in: HTTP {reply.status_code}: {message}", code)
        if not reply.is_success:
            raise self._errors.error("", reply.status_code, f"sign-in: HTTP {reply.status_code}")
        try:
            self._token, self._ends = str(body["access_token"]), self._clock() + timedelta(seconds=float(body["expires_in"])) - MARGIN
        except (KeyError, TypeError, ValueError) as error:
            raise TransientError(provider, "sign-in: the answer has no token") from error
