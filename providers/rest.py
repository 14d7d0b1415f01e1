"""What adapters of JSON-over-HTTP clouds have in common: walking pages, taking rows apart, and reading scope by scope.

Knows no vendor. Nothing here guesses: a list that is not a list is an error, never an empty shop.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from providers.errors import ErrorTable
from providers.http import JsonHttp
from providers.normalise import quarantined
from scheduler.domain.errors import (
    AuthError,
    InvalidInputError,
    ProviderDataError,
    ProviderError,
    TransientError,
    UnknownAcceleratorError,
)
from scheduler.domain.offer import Offer
from scheduler.domain.ports import Budget, CloudNode, LaunchRequest, OfferPage, Pace, ProviderSettings, Quarantined

Row = Mapping[str, Any]
Answer = TypeVar("Answer")

PAGES_MAX = 2000
SCOPES_AT_ONCE = 4
"""Regions of one account read side by side; the vendor's rate limit, not this, sets the pace."""

_ROW_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, UnknownAcceleratorError)


def rows(provider: str, body: object, *path: str) -> list[Any]:
    """The list at ``path`` inside an answer.

    Raises:
        ProviderDataError: missing, null or not a list: old rows must not vanish because of a broken answer.
    """
    for key in path:
        body = body.get(key) if isinstance(body, Mapping) else None
    if not isinstance(body, list):
        raise ProviderDataError(provider, f"the answer has no list {'.'.join(path) or 'at its top'}: {type(body).__name__}")
    return body


async def walked(provider: str, fetch: Callable[[str], Awaitable[tuple[Sequence[Any], str]]]) -> list[Any]:
    """All rows of a paged answer.

    Args:
        fetch: a page token, "" first, to that page's rows and the next token, "" at the end. Empty pages in the middle are fine.

    Raises:
        ProviderDataError: a token comes twice, or there is no end.
    """
    found: list[Any] = []
    seen: set[str] = set()
    token = ""
    for _ in range(PAGES_MAX):
        page, token = await fetch(token)
        found += page
        if not token:
            return found
        if token in seen:
            raise ProviderDataError(provider, f"page token {token[:40]!r} came twice")
        seen.add(token)
    raise ProviderDataError(provider, f"no end after {PAGES_MAX} pages")


@contextlib.contextmanager
def understood(provider: str, what: str) -> Iterator[None]:
    """Around the reading of something that all rows need, such as a price list.

    Raises:
        ProviderDataError: its shape is wrong.
    """
    try:
        yield
    except _ROW_ERRORS as error:
        raise ProviderDataError(provider, f"{what} of an unknown shape: {error!r}") from error


@contextlib.contextmanager
def launched(provider: str) -> Iterator[None]:
    """Around the reading of a launch's answer.

    Raises:
        TransientError: it cannot be understood, so a machine may run; look for its token.
    """
    try:
        yield
    except _ROW_ERRORS as error:
        raise TransientError(provider, f"launched, but the answer has an unknown shape: {error!r}") from error


async def settled(
    provider: str, ask: Callable[[], Awaitable[Answer]], pending: Callable[[Answer], bool], *, wait_s: float, every_s: float = 2.0
) -> Answer:
    """What an operation comes to: asked again and again until it is no longer pending.

    Raises:
        TransientError: it is still pending after ``wait_s``; after a launch, look for its token.
    """
    try:
        async with asyncio.timeout(wait_s):
            answer = await ask()
            while pending(answer):
                await asyncio.sleep(every_s)
                answer = await ask()
            return answer
    except TimeoutError as error:
        raise TransientError(provider, f"an operation is still pending after {wait_s:.0f} s") from error


async def numbered(provider: str, fetch: Callable[[int], Awaitable[tuple[Sequence[Any], int]]], name: Callable[[Any], object]) -> list[Any]:
    """All rows of an answer in numbered pages, where each page tells how many rows there are in all.

    Args:
        fetch: a page's number, from 1, to its rows and the total. name: tells rows apart, as they may move to another page meanwhile.

    Raises:
        ProviderDataError: two pages running bring nothing new though rows are missing.
    """
    found: dict[object, Any] = {}
    idle = 0
    for number in range(1, PAGES_MAX + 1):
        page, total = await fetch(number)
        known = len(found)
        found |= {name(row): row for row in page}
        if len(found) >= total:
            return list(found.values())
        idle = 0 if len(found) > known else idle + 1
        if idle == 2:
            break
    raise ProviderDataError(provider, f"pages end after {len(found)} of {total} rows")


def sifted(
    scope: str, found: Iterable[Any], name: Callable[[Any], object], make: Callable[[Any], Iterable[Offer]]
) -> tuple[list[Offer], list[Quarantined]]:
    """Offers of all rows that make sense, and the others with the reason why not. An offer seen twice counts once, the last one.

    Args:
        name: what a row calls itself. make: a row to its offers; raises ``ValueError`` or what a wrong shape raises by itself.
    """
    good: dict[str, Offer] = {}
    bad: list[Quarantined] = []
    for number, row in enumerate(found):
        try:
            good |= {offer.id: offer for offer in make(row)}
        except _ROW_ERRORS as error:
            bad.append(quarantined(scope, _name(name, row, number), _reason(error), row))
    return list(good.values()), bad


def _name(name: Callable[[Any], object], row: Any, number: int) -> str:
    try:
        return str(name(row))
    except _ROW_ERRORS:
        return f"row {number}"


def _reason(error: Exception) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else str(error)


async def by_scope(scopes: Iterable[str], read: Callable[[str], Awaitable[OfferPage]]) -> AsyncIterator[OfferPage]:
    """Read scopes side by side, pages in the order of the scopes.

    A scope that fails becomes a page with its error, so that its old rows are kept, marked stale. Wrong credentials end the walk:
    nothing will work.
    """
    gate = asyncio.Semaphore(SCOPES_AT_ONCE)

    async def one(scope: str) -> OfferPage:
        async with gate:
            try:
                return await read(scope)
            except AuthError:
                raise
            except ProviderError as error:
                return OfferPage(scope, error=str(error))

    tasks = [asyncio.create_task(one(scope)) for scope in scopes]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def carrying(nodes: Iterable[CloudNode], launch_token: str) -> tuple[CloudNode, ...]:
    """Those nodes that carry the token."""
    return tuple(node for node in nodes if node.launch_token == launch_token)


def key_of(
    provider: str, options: Mapping[str, str], environ: Mapping[str, str], variable: str, *, option: str = "api_key_env"
) -> Callable[[], str]:
    """Reads an API key when it is needed: from the variable that ``option`` names, else from ``variable``."""
    named = options.get(option, variable)

    def key() -> str:
        found = environ.get(named, "").strip()
        if not found:
            raise AuthError(provider, f"no API key: set {named}, or name another variable in options.{option}")
        return found

    return key


def needed(options: Mapping[str, str], name: str, remedy: str) -> str:
    """An option that a launch cannot do without.

    Raises:
        InvalidInputError: it is not set.
    """
    value = options.get(name, "")
    if not value:
        raise InvalidInputError(f"options.{name}", value, "missing", remedy)
    return value


def shell_script(request: LaunchRequest) -> str:
    """What starts the node, for clouds that run a shell script at the first boot and read no cloud-config document."""
    if not request.user_data.startswith("#cloud-config"):
        return request.user_data
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in request.env.items())
    names = " ".join(f"--setenv={name}" for name in request.env)
    unit = "--unit=headrace-node --property=Restart=always --property=RestartSec=2 --property=KillMode=control-group"
    return f"#!/bin/sh\n{exports}exec systemd-run {unit} {names} -- {shlex.join(request.argv)}\n"


def http_of(
    settings: ProviderSettings, errors: ErrorTable, endpoint: str, pace: Pace, *, per_s: float, burst: int = 1, **how: Any
) -> JsonHttp:
    """The client of one account: ``settings.endpoint`` or the vendor's, ``options.timeout_s``, and the vendor's rate limit.

    Args:
        per_s, burst: calls that the vendor allows one account. how: ``headers``, ``auth``, ``told``, ``opened`` of ``JsonHttp``.
    """
    budget = budget_of(settings, "", per_s, burst)
    return JsonHttp(errors, settings.endpoint or endpoint, pace=pace, budget=budget, timeout_s=timeout_of(settings), **how)


def timeout_of(settings: ProviderSettings) -> float:
    """Seconds for one call: ``options.timeout_s``, 30 unless set."""
    given = settings.options.get("timeout_s", "30")
    try:
        return float(given)
    except ValueError:
        raise InvalidInputError("options.timeout_s", given, "not a number", "Write seconds, such as 30.") from None


def budget_of(settings: ProviderSettings, call: str, per_s: float, burst: int = 1) -> Budget:
    """A rate limit that all processes share which speak for this account; ``call`` names a tighter one inside it."""
    return Budget("/".join(part for part in (settings.kind, settings.account, call) if part), per_s, burst)
