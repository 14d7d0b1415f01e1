"""A read-only smoke test of one configured provider: does each thing that its adapter can do work with these credentials?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from scheduler.domain.errors import AuthError, ProviderError, RateLimitedError
from scheduler.domain.ports import Provider

CHECK_S_MAX = 300.0
_PERMISSIONS = (
    re.compile(r"not authorized to perform:? ([\w-]+:\w+)"),  # AWS
    re.compile(r"Required '([\w.]+)' permission"),  # Google Cloud
    re.compile(r"perform action '([\w./]+)'"),  # Azure
    re.compile(r"missing permission:? ([\w.:/-]+)", re.IGNORECASE),
)


class Outcome(StrEnum):
    WORKS = "works"
    DENIED = "denied"
    FAILS = "fails"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one capability. ``missing`` is the exact name of the permission, where the cloud told it."""

    capability: str
    outcome: Outcome
    detail: str
    missing: str = ""


async def check_provider(provider: Provider) -> list[Verdict]:
    """Try every read that the adapter can do. Launches nothing and changes nothing."""
    limits, launcher, notices = provider.limits, provider.launcher, provider.notices

    async def offers() -> str:
        found, scopes, failed, quarantined, stocked = 0, 0, [], 0, 0
        async for page in provider.offers.read_offers():
            found, quarantined = found + len(page.offers), quarantined + len(page.quarantined)
            stocked += sum(offer.availability.kind.value != "unknown" for offer in page.offers)
            scopes += page.complete
            failed += [f"{page.scope}: {page.error}"] if page.error else []
        if failed:
            raise ProviderError(provider.name, f"{len(failed)} of {len(failed) + scopes} regions failed; {failed[0]}")
        return f"{found} offers in {scopes} regions, stock known of {stocked}, {quarantined} rows quarantined"

    async def quotas() -> str:
        read = await limits.read_limits() if limits else None
        return f"{len(read.quotas)} quotas, {len(read.reservations)} reservations" if read else ""

    async def machines() -> str:
        return f"{len(await launcher.list_nodes())} machines of ours" if launcher else ""

    async def announced() -> str:
        return f"{len(await notices.read_notices())} notices" if notices else ""

    return [
        await _tried("prices and stock", offers),
        await _tried("quotas and reservations", quotas if limits else None),
        await _tried("machines (list only)", machines if launcher else None),
        await _tried("interruption notices", announced if notices else None),
    ]


async def _tried(capability: str, read: Callable[[], Awaitable[str]] | None) -> Verdict:
    if read is None:
        return Verdict(capability, Outcome.NOT_OFFERED, "the adapter does not do this")
    try:
        async with asyncio.timeout(CHECK_S_MAX):
            return Verdict(capability, Outcome.WORKS, await read())
    except TimeoutError:
        return Verdict(capability, Outcome.FAILS, f"no end after {CHECK_S_MAX:.0f} s")
    except RateLimitedError as error:
        return Verdict(capability, Outcome.FAILS, f"{error}; try again in {error.retry_after_s:.0f} s")
    except ProviderError as error:
        missing = missing_permission(str(error))
        denied = isinstance(error, AuthError) or bool(missing)
        return Verdict(capability, Outcome.DENIED if denied else Outcome.FAILS, str(error), missing)


def missing_permission(message: str) -> str:
    """The permission that a refusal names, "" where it names none."""
    return next((found.group(1) for pattern in _PERMISSIONS if (found := pattern.search(message))), "")
