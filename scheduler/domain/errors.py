"""Errors name what is wrong and what to do about it. The class says the remedy, the message says the case."""

from __future__ import annotations

from collections.abc import Sequence


class HeadraceError(Exception):
    """Base of every error that headrace raises on purpose."""


class InvalidInputError(HeadraceError):
    """A value given by a person is wrong.

    Attributes:
        field: dotted path of the field, such as ``deployments[0].slo.ttft_ms``.
        value: what was given.
        remedy: what to write instead.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        self.field, self.value, self.problem, self.remedy = field, value, problem, remedy
        super().__init__(f"{field}: {problem} (got {value!r}). {remedy}")


class UnknownAcceleratorError(InvalidInputError):
    """The accelerator is not in the catalogue."""

    def __init__(self, key: str, near: Sequence[str]) -> None:
        hint = f"Did you mean one of: {', '.join(near)}?" if near else "`headrace offers --json` lists the known ones."
        super().__init__("accelerator", key, "unknown accelerator", hint)


class NoSuchError(HeadraceError):
    """Something asked for by name does not exist."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"no such {kind}: {key!r}")


class ConflictError(HeadraceError):
    """The thing changed meanwhile, or its state does not allow this; read it again and decide anew."""


class IllegalTransitionError(HeadraceError):
    """A state machine was asked to take an edge its table does not have: a bug, not a condition of the world."""

    def __init__(self, entity: str, key: str, old: str, new: str) -> None:
        super().__init__(f"{entity} {key}: no transition {old} -> {new}")


class FencedError(HeadraceError):
    """This process is no longer the leader: a newer epoch exists. Drop the result and change nothing."""

    def __init__(self, held: int, current: int) -> None:
        self.held, self.current = held, current
        super().__init__(f"epoch {held} was superseded by epoch {current}")


class InfeasibleError(HeadraceError):
    """No placement satisfies the rules.

    Attributes:
        conflicts: a minimal set of rules that cannot hold together, as sentences.
        remedies: what would resolve it, each with its number.
    """

    def __init__(self, conflicts: Sequence[str], remedies: Sequence[str]) -> None:
        self.conflicts, self.remedies = tuple(conflicts), tuple(remedies)
        super().__init__("no placement satisfies: " + "; ".join(conflicts))


class ProviderError(HeadraceError):
    """A cloud said no. Subclasses imply the remedy.

    Attributes:
        provider: the provider that answered.
        code: the vendor's own error code, or "".
    """

    def __init__(self, provider: str, message: str, code: str = "") -> None:
        self.provider, self.code = provider, code
        super().__init__(f"{provider}: {message}" + (f" [{code}]" if code else ""))


class StockoutError(ProviderError):
    """The provider has no such capacity now: back off that offer."""


class QuotaExceededError(ProviderError):
    """The limit on us is reached: back off the account's region and family."""


class RateLimitedError(ProviderError):
    """Too many calls: wait ``retry_after_s``."""

    def __init__(self, provider: str, message: str, code: str = "", retry_after_s: float = 1.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(provider, message, code)


class AuthError(ProviderError):
    """Credentials are missing, wrong or lack a permission: stop that provider and say so."""


class NotFoundError(ProviderError):
    """The thing is already gone."""


class TransientError(ProviderError):
    """Timeouts, 5xx, broken connections: retry reads; list by tag before retrying a launch."""


class ProviderDataError(ProviderError):
    """An answer could not be understood: quarantine the row, keep the poll, keep the old rows marked stale."""
