"""One shape for every vendor's error codes: a table from codes, phrases and statuses to the domain's error family.

Knows no vendor: each cloud's ``errors.py`` holds its table. The code decides before a phrase, and a phrase before the status,
because vendors send stockouts as 400, 409, 422, 500 or inside a 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.domain.errors import AuthError, NotFoundError, ProviderDataError, ProviderError, RateLimitedError, TransientError

STATUSES: Mapping[int, type[ProviderError]] = {
    401: AuthError,
    403: AuthError,
    404: NotFoundError,
    408: TransientError,
    410: NotFoundError,
    425: TransientError,
    429: RateLimitedError,
}
MESSAGE_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """What a vendor's errors mean.

    Attributes:
        codes: the vendor's machine-readable codes, as written.
        phrases: parts of messages in lower case, for vendors that send prose; the first that fits decides.
        statuses: exceptions from ``STATUSES``.
        rate_limit_wait_s: the wait after a rate limit that names none.
    """

    provider: str
    codes: Mapping[str, type[ProviderError]] = field(default_factory=dict)
    phrases: Mapping[str, type[ProviderError]] = field(default_factory=dict)
    statuses: Mapping[int, type[ProviderError]] = field(default_factory=dict)
    rate_limit_wait_s: float = 1.0

    def known(self, code: str, message: str) -> type[ProviderError] | None:
        """The class that the code or the message names; None where neither says anything."""
        prose = message.lower()
        return self.codes.get(code) or next((kind for phrase, kind in self.phrases.items() if phrase in prose), None)

    def error(self, code: str, status: int, message: str, *, retry_after_s: float | None = None) -> ProviderError:
        """The domain's error. What nobody named is transient with 5xx, and unusable otherwise.

        Args:
            status: the HTTP status, 0 where the error came in an answer that succeeded.
        """
        kind = self.known(code, message) or self.statuses.get(status) or STATUSES.get(status)
        kind = kind or (TransientError if status >= 500 else ProviderDataError)
        told = message[:MESSAGE_CHARACTERS_MAX]
        if kind is RateLimitedError:
            wait_s = self.rate_limit_wait_s if retry_after_s is None else retry_after_s
            return RateLimitedError(self.provider, told, code, retry_after_s=wait_s)
        return kind(self.provider, told, code)
