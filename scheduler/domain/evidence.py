"""What our own launches have taught about where capacity can be had. Values; the readings of them are in the inventory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LaunchRecord:
    """What launches of one scope came to: an offer, a quota, an account, or an area with one kind of accelerator.

    Attributes:
        scope: ``offer:<id>``, ``quota:...``, ``account:...`` or ``area:...``.
        strikes: refusals in a row, the last one included; forgotten after a while.
        successes: launches that worked since the last refusal.
        until: nothing is launched there before this instant, None where nothing holds it back.
        cause: why, as a sentence.
        refused: offers of an area that were sold out lately, with the instant.
    """

    scope: str
    changed_at: datetime
    strikes: int = 0
    successes: int = 0
    until: datetime | None = None
    cause: str = ""
    refused: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchBudget:
    """How many launches of an offer may be under way at once.

    Attributes:
        window: one probe, doubling with every launch that worked, one again after a stockout; 0 while it is left alone.
        until: when it may be asked again, None where it may now.
        reason: the evidence, as a sentence.
    """

    window: int
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long nodes of one offer ran and how often they were taken back, over a window of history."""

    node_hours: float
    interruptions: int
