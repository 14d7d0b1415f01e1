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


class TheirTime:
    """What the vendor's clock says: ours, corrected by what refusals told."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._skew = clock, timedelta()

    def now(self) -> datetime:
        return self._clock() + self._skew

    def corrected(self, date: str, sent: datetime) -> bool:
        """Whether the ``Date`` of an answer shows that its request, signed for ``sent``, was off; corrects ours if so."""
        try:
            theirs = parsedate_to_datetime(date)
        except ValueError:
            return False
        theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
        if abs(theirs - sent) <= timedelta(seconds=SKEW_S_MAX):
            return False
        self._skew = theirs - self._clock()
        return True


class SignedAuth(httpx2.Auth, ABC):
    """Signs each request with the injected clock. One object per account, so that what it learned of the clock stays.

    A refused request was not carried out: it is signed again with the vendor's time and sent once more, where our time was off.
    """

    requires_request_body = True

    def __init__(self, clock: Clock) -> None:
        self._time = TheirTime(clock)

    @abstractmethod
    def sign(self, request: httpx2.Request, now: datetime) -> None:
        """Set the headers that prove who asks. May be called twice for one request; raises AuthError where credentials are missing."""

    def refused(self, response: httpx2.Response) -> bool:
        """Whether the vendor may have refused the request because of its time."""
        return response.status_code in REFUSALS

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Sign, send, and sign and send once more after a refusal that shows our clock to be off."""
        sent = self._time.now()
        self.sign(request, sent)
        response = yield request
        if self.refused(response) and self._time.corrected(response.headers.get("date", ""), sent):
            self.sign(request, self._time.now())
            yield request
