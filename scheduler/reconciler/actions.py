"""What the reconciler asks of the world, and what came of it. Every action may be repeated without harm."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.domain.errors import (
    AuthError,
    NotFoundError,
    ProviderDataError,
    ProviderError,
    QuotaExceededError,
    StockoutError,
)
from scheduler.domain.fleet import Node
from scheduler.domain.ports import CloudNode


@dataclass(frozen=True, slots=True)
class LaunchNode:
    """Launch the node whose intent row is already stored. Keyed by its token: the executor looks before it leaps on a retry."""

    node: Node


@dataclass(frozen=True, slots=True)
class FindNode:
    """A launch was begun and its answer is not known (an ambiguous error, or a crash): look for the token."""

    node: Node


@dataclass(frozen=True, slots=True)
class TerminateNode:
    """Release the machine; repeated until the provider says that it is gone."""

    node: Node


Action = LaunchNode | FindNode | TerminateNode

REFUSALS = (StockoutError, QuotaExceededError, AuthError, NotFoundError, ProviderDataError)
"""Answers to a launch that are final: nothing was created, the node has failed and its offer is left alone for a while."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action.

    Attributes:
        machine: what the provider has now; None where it has nothing.
        error: what it said instead.
    """

    action: Action
    machine: CloudNode | None = None
    error: ProviderError | None = None
