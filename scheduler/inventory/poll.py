"""What is known of one poll while it runs and when it is over. Values only; reads and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum

from scheduler.domain.errors import AuthError, HeadraceError, RateLimitedError
from scheduler.domain.ports import OfferPage
from scheduler.domain.stores import IngestReport


class PollOutcome(StrEnum):
    """How a poll ended: everything read, some scopes failed, nothing usable, or stopped until someone acts."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class PollReport:
    """What one poll did.

    Attributes:
        failed_scopes: scopes whose old rows were kept and marked stale.
        changes: sum over all pages.
        retry_after_s: how long the provider asked us to wait, 0 where it did not.
    """

    provider: str
    account: str
    started_at: datetime
    ended_at: datetime
    outcome: PollOutcome
    offers: int = 0
    quarantined: int = 0
    failed_scopes: tuple[str, ...] = ()
    changes: IngestReport = field(default_factory=IngestReport)
    error: str = ""
    retry_after_s: float = 0.0


@dataclass(slots=True)
class Walk:
    """What is known so far of the walk under way."""

    offers: int = 0
    quarantined: int = 0
    source_kind: str = ""
    changes: IngestReport = field(default_factory=IngestReport)
    seen: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    error: str = ""
    limits_error: str = ""
    stopped: str = ""
    retry_after_s: float = 0.0

    def note(self, page: OfferPage, report: IngestReport) -> None:
        self.offers += len(page.offers)
        self.quarantined += len(page.quarantined)
        self.source_kind = page.offers[0].source_kind.value if page.offers else self.source_kind
        self.changes = added(self.changes, report)
        self.seen.add(page.scope)
        if page.error:
            self.failed[page.scope] = page.error
        elif page.complete:
            self.completed.add(page.scope)

    def note_error(self, error: Exception) -> None:
        self.error = error_text(error)
        if isinstance(error, AuthError):
            self.stopped = self.error
        if isinstance(error, RateLimitedError):
            self.retry_after_s = error.retry_after_s

    @property
    def outcome(self) -> PollOutcome:
        if self.stopped:
            return PollOutcome.STOPPED
        if self.error or self.failed:
            return PollOutcome.PARTIAL if self.completed else PollOutcome.FAILED
        return PollOutcome.COMPLETE


def added(one: IngestReport, other: IngestReport) -> IngestReport:
    """Field by field sum."""
    return replace(one, **{entry.name: getattr(one, entry.name) + getattr(other, entry.name) for entry in fields(one)})


def error_text(error: Exception) -> str:
    """An error as it is told: our own by their message, an adapter's bug with its class."""
    return str(error) if isinstance(error, HeadraceError) else f"{type(error).__name__}: {error}"
