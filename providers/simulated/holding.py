"""What a tenant rents from the market, why it may be refused, and what the market does to it. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from providers.simulated.match import matches
from scheduler.domain.errors import ConflictError


class Refusal(StrEnum):
    """Why the market does not rent."""

    STOCKOUT = "stockout"
    QUOTA = "quota"


class RefusedError(ConflictError):
    """The market has nothing to rent, or not to us."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        self.refusal = refusal
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Holding:
    """One rented machine.

    Attributes:
        machine: the cloud's id of it; launch_token, node, cluster: what the tenant calls it.
        deadline: when it is taken back; None while no notice was given.
    """

    machine: str
    offer_id: str
    launch_token: str
    since: datetime
    node: str = ""
    cluster: str = ""
    noticed_at: datetime | None = None
    deadline: datetime | None = None

    def answers_to(self, pattern: str) -> bool:
        """True where a person's pattern means this machine."""
        return matches(
            pattern, f"{self.offer_id}/{self.node or self.launch_token}", self.machine, self.launch_token, self.node, self.cluster
        )


class Happening(StrEnum):
    NOTICED = "noticed"
    RECLAIMED = "reclaimed"


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """What the market did to a machine in a step."""

    kind: Happening
    holding: Holding
    at: datetime
