"""Signs requests that carry their time, and gets over a clock of ours that is off.

Knows no vendor: a subclass says how its vendor's requests are signed. A vendor that refuses a request because of its time tells
the right one in the answer's ``Date``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2

from scheduler.domain.ports import Clock

SKEW_S_MAX = 60
"""Vendors allow a few minutes; below this, a refusal has another reason than our clock."""

REFUSALS = (400, 401, 403)


class SignedAuth(httpx2.Auth, ABC):
    """Signs each request with the injected clock. One object per account, so that what it learned of the clock stays.

    A refused request was not carried out: it is signed again with the vendor's time and sent once more, where our time was off.
    """

    requires_request_body = True

    def __init__(self, clock: Clock) -> None:
        self._clock, self._skew = clock, timedelta()

    @abstractmethod
    def sign(self, request: httpx2.Request, now: datetime) -> None:
        """Set the headers that prove who asks. May be called twice for one request; raises AuthError where credentials are missing."""

    def refused(self, response: httpx2.Response) -> bool:
        """Whether the vendor may have refused the request because of its time."""
        return response.status_code in REFUSALS

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Sign, send, and sign and send once more after a refusal that shows our clock to be off."""
        self.sign(request, self._clock() + self._skew)
        response = yield request
        if self.refused(response) and self._was_off(response):
            self.sign(request, self._clock() + self._skew)
            yield request

    def _was_off(self, response: httpx2.Response) -> bool:
        """Whether our time differs from the answer's; corrects it if so."""
        theirs = _date(response)
        if theirs is None or abs(theirs - self._clock() - self._skew) <= timedelta(seconds=SKEW_S_MAX):
            return False
        self._skew = theirs - self._clock()
        return True


def _date(response: httpx2.Response) -> datetime | None:
    try:
        told = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)
