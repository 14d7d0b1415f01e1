"""The fault matrix: what may go wrong when a cloud is read or asked for machines, and what must hold then."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from scheduler.domain.errors import (
    AuthError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)
from scheduler.domain.ports import CloudNode
from simulations.vendors.estate import Paging, Refusal
from simulations.vendors.fake import Fake
from simulations.vendors.server import Trouble
from simulations.vendors.trial import Trial, hold, nothing_vanished, same, trial

Run = Callable[[type[Fake]], Awaitable[None]]
CLOCK_OFF_S = 15 * 60


@dataclass(frozen=True)
class Fault:
    """One way things go wrong.

    Attributes:
        applies: "" where the cloud can have it, else why not.
        run: raises NotHeldError where a promise is broken.
    """

    name: str
    run: Run
    applies: Callable[[type[Fake]], str]


def _always(fake: type[Fake]) -> str:
    return ""


def _needs(flag: str, otherwise: str) -> Callable[[type[Fake]], str]:
    return lambda fake: "" if getattr(fake, flag) else otherwise


_launching = _needs("launches", "the adapter launches nothing")
_paged = _needs("paged", "offers do not come in pages")
_priced = _needs("priced", "prices are a table in the adapter, not read")


def _machines_paged(fake: type[Fake]) -> str:
    return "" if fake.paged or fake.machines_paged else "the vendor's lists have no pages"


def _can(trouble: Trouble, then: Callable[[type[Fake]], str] = _always) -> Callable[[type[Fake]], str]:
    return lambda fake: then(fake) if trouble in fake.troubles else "its transport cannot have this"


# --- reading --------------------------------------------------------------------------------------------------------------------


def _passing(trouble: Trouble) -> Run:
    """A trouble that passes: the reading comes out whole."""

    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as one:
            before = await one.walk()
            one.trouble(trouble, one.fake.is_read, times=1)
            walk = await one.walk()
            hold(walk.whole, f"one passing trouble broke the reading: {walk.error or walk.failed}")
            same(walk, before)

    return run


def _lasting(trouble: Trouble) -> Run:
    """A trouble that stays: it is told, and nothing vanishes. What never ends is read by an adapter in a hurry."""

    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as one:
            before = await one.walk()
            one.trouble(trouble, one.fake.is_read)
            walk = await (one.hurried() if trouble is Trouble.SLOW else one).walk()
            hold(not walk.whole, "a reading without a single answer counts as whole")
            nothing_vanished(walk, before)

    return run


async def _unauthorised(kind: type[Fake]) -> None:
    async with trial(kind) as one:
        one.trouble(Trouble.UNAUTHORISED, one.fake.is_read)
        walk = await one.walk()
        hold(isinstance(walk.error, AuthError), f"wrong credentials raised {walk.error!r}")
        hold(not walk.completed, "a scope counts as read without credentials")


async def _unauthorised_midway(kind: type[Fake]) -> None:
    async with trial(kind) as one:
        before = await one.walk()
        one.trouble(Trouble.UNAUTHORISED, one.fake.is_read, skip=1)
        walk = await one.walk()
        hold(walk.whole or isinstance(walk.error, AuthError), f"raised {walk.error or walk.failed!r}")
        nothing_vanished(walk, before)


async def _one_region_down(kind: type[Fake]) -> None:
    async with trial(kind) as one:
        before = await one.walk()
        scopes = sorted(before.completed)
        hold(len(scopes) > 1, "the fake has one region only")
        one.trouble(Trouble.UNAVAILABLE, lambda asked: one.fake.is_read(asked) and one.fake.region_of(asked) == scopes[0])
        walk = await one.walk()
        hold(set(walk.failed) == {scopes[0]}, f"failed: {sorted(walk.failed)} instead of {scopes[0]}; {walk.error!r}")
        hold(walk.completed == set(scopes[1:]), f"completed: {sorted(walk.completed)}")
        nothing_vanished(walk, before)


def _paging(paging: Paging, *, whole: bool) -> Run:
    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as one:
            before = await one.walk()
            one.fake.estate.paging = paging
            walk = await one.walk()
            hold(walk.whole == whole, f"whole is {walk.whole}: {walk.error or walk.failed}")
            (same if whole else nothing_vanished)(walk, before)

    return run


def _bad_row(**words: object) -> Run:
    """The first product becomes nonsense: it alone is quarantined, with a reason."""

    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as one:
            before = await one.walk()
            name = one.spoil(**words)
            walk = await one.walk()
            hold(walk.whole, f"one bad row broke the reading: {walk.error or walk.failed}")
            hold(bool(walk.quarantined), "the bad row was not quarantined")
            spot = one.fake.estate.products[0].spot_usd_per_h is not None and "usd_per_h" in words
            left = [o for o in walk.offers.values() if o.instance_type.name == name and not (spot and o.capacity_type.revocable)]
            hold(not left, f"the bad row is still offered: {[offer.id for offer in left[:1]]}")
            same(walk, before, without=name)

    return run


def _cents(kind: type[Fake]) -> Awaitable[None]:
    return _bad_row(usd_per_h=(kind.products()[0].usd_per_h) * 100)(kind)


# --- launching ------------------------------------------------------------------------------------------------------------------


async def _refused(one: Trial, error: type[ProviderError]) -> None:
    """The launch fails as it should and leaves nothing running."""
    request = await one.request()
    try:
        node = await one.launcher.launch(request)
    except ProviderError as raised:
        hold(type(raised) is error, f"raised {raised!r} instead of {error.__name__}")
    else:
        hold(False, f"a refused launch returned {node}")
    hold(not one.fake.estate.running, "a refused launch left a machine")


def _refusal(refusal: Refusal, error: type[ProviderError]) -> Run:
    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as one:
            one.fake.estate.refuse_next = [refusal]
            await _refused(one, error)

    return run


def _launch_trouble(trouble: Trouble, error: type[ProviderError]) -> Run:
    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as one:
            one.trouble(trouble, one.fake.is_launch)
            await _refused(one, error)
            hold(not await one.find(), "found a machine that was never made")

    return run


def _lost_answer(trouble: Trouble) -> Run:
    """The machine is made and the answer lost: the launch is ambiguous, the token finds exactly one, and it can be released."""

    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as one:
            request = await one.request()
            one.trouble(trouble, one.fake.is_launch, times=1, after=True)
            try:
                await one.launcher.launch(request)
            except TransientError:
                pass
            except ProviderError as raised:
                hold(False, f"raised {raised!r}: a lost answer is ambiguous")
            found = await one.find()
            hold(len(found) == 1, f"the token finds {len(found)} machines")
            hold(len(one.fake.estate.running) == 1, f"{len(one.fake.estate.running)} machines run")
            await one.launcher.terminate(found[0])
            hold(not one.fake.estate.running, "the found machine could not be released")

    return run


async def _found_on_a_later_page(kind: type[Fake]) -> None:
    async with trial(kind) as one:
        request = await one.request()
        node = await one.launcher.launch(request)
        one.fake.estate.paging = Paging.EMPTY_MIDDLE
        hold([each.provider_node_id for each in await one.find()] == [node.provider_node_id], "an empty page hides the machine")


async def _late_stockout(kind: type[Fake]) -> None:
    async with trial(kind) as one:
        request = await one.request()
        one.fake.estate.stock_out_late = True
        try:
            node = await one.launcher.launch(request)
        except StockoutError:
            node = None
        except ProviderError as raised:
            hold(False, f"raised {raised!r} instead of StockoutError")
        hold(node is None or not node.running or not await one.find(), "a machine that failed counts as running")


async def _launch_and_release(kind: type[Fake]) -> None:
    async with trial(kind) as one:
        request = await one.request()
        node = await one.launcher.launch(request)
        hold(node.running and node.launch_token == request.launch_token, f"launched {node}")
        hold((node.region, node.zone) == (request.offer.region, request.offer.zone), f"it is in {node.region}/{node.zone}")
        listed = [each for each in await one.launcher.list_nodes() if each.running]
        hold([each.provider_node_id for each in listed] == [node.provider_node_id], f"listed {listed}")
        hold([each.provider_node_id for each in await one.find()] == [node.provider_node_id], "the token does not find it")
        hold(not await one.launcher.find("hr-proof-other"), "another token finds it")
        if one.provider.capabilities.idempotent_launch:
            again = await one.launcher.launch(request)
            hold(again.provider_node_id == node.provider_node_id, "an idempotent launch made a second machine")
        await one.launcher.terminate(node)
        await one.launcher.terminate(node)
        hold(not one.fake.estate.running, "it still runs")
        hold(not await one.find(), "the token still finds it running")


async def _released_elsewhere(kind: type[Fake]) -> None:
    async with trial(kind) as one:
        request = await one.request()
        node = await one.launcher.launch(request)
        one.fake.estate.machines.clear()
        await one.launcher.terminate(node)
        await one.launcher.terminate(_renamed(node))


def _renamed(node: CloudNode) -> CloudNode:
    return replace(node, provider_node_id=node.provider_node_id.replace("1", "9"))


# --- clocks ---------------------------------------------------------------------------------------------------------------------


def _clock(off_s: float) -> Run:
    async def run(kind: type[Fake]) -> None:
        async with trial(kind) as true, trial(kind, now_off_s=off_s) as off:
            before, walk = await true.walk(), await off.walk()
            hold(walk.whole, f"a clock {off_s / 60:+.0f} min off broke the reading: {walk.error or walk.failed}")
            same(walk, before)

    return run


FAULTS: tuple[Fault, ...] = (
    Fault("401 from the start", _unauthorised, _can(Trouble.UNAUTHORISED)),
    Fault("401 midway", _unauthorised_midway, _can(Trouble.UNAUTHORISED)),
    Fault("429 with Retry-After, once", _passing(Trouble.RATE_LIMITED_WAIT), _can(Trouble.RATE_LIMITED_WAIT)),
    Fault("429 without Retry-After, once", _passing(Trouble.RATE_LIMITED), _can(Trouble.RATE_LIMITED)),
    Fault("429 for good", _lasting(Trouble.RATE_LIMITED), _can(Trouble.RATE_LIMITED)),
    Fault("500 once", _passing(Trouble.SERVER_ERROR), _can(Trouble.SERVER_ERROR)),
    Fault("503 for good", _lasting(Trouble.UNAVAILABLE), _can(Trouble.UNAVAILABLE)),
    Fault("HTML instead of JSON", _lasting(Trouble.HTML), _can(Trouble.HTML)),
    Fault("truncated JSON", _lasting(Trouble.TRUNCATED), _can(Trouble.TRUNCATED)),
    Fault("truncated JSON, once", _passing(Trouble.TRUNCATED), _can(Trouble.TRUNCATED)),
    Fault("a body that never ends", _lasting(Trouble.SLOW), _can(Trouble.SLOW)),
    Fault("connection reset, once", _passing(Trouble.RESET), _can(Trouble.RESET)),
    Fault("null where a list belongs", _lasting(Trouble.NULL), _can(Trouble.NULL)),
    Fault("a page token that comes twice", _paging(Paging.REPEATED, whole=False), _paged),
    Fault("a page token that has expired", _paging(Paging.EXPIRED, whole=False), _paged),
    Fault("an empty page in the middle", _paging(Paging.EMPTY_MIDDLE, whole=True), _paged),
    Fault("rows that shift between pages", _paging(Paging.SHIFTED, whole=True), _paged),
    Fault("one region down", _one_region_down, _needs("regional", "offers are read in one call")),
    Fault("price not a number", _bad_row(usd_per_h=math.nan), _priced),
    Fault("price zero", _bad_row(usd_per_h=0.0), _priced),
    Fault("price negative", _bad_row(usd_per_h=-1.0), _priced),
    Fault("cents for dollars", _cents, _priced),
    Fault("a GPU nobody heard of", _bad_row(gpu="Quantum Z9"), _needs("names_gpus", "the API never names a GPU")),
    Fault("launch, find, release", _launch_and_release, _launching),
    Fault("stockout", _refusal(Refusal.STOCKOUT, StockoutError), _launching),
    Fault("quota", _refusal(Refusal.QUOTA, QuotaExceededError), _launching),
    Fault("429 at launch", _launch_trouble(Trouble.RATE_LIMITED, RateLimitedError), _can(Trouble.RATE_LIMITED, _launching)),
    Fault("401 at launch", _launch_trouble(Trouble.UNAUTHORISED, AuthError), _can(Trouble.UNAUTHORISED, _launching)),
    Fault("500 at launch, nothing made", _launch_trouble(Trouble.SERVER_ERROR, TransientError), _can(Trouble.SERVER_ERROR, _launching)),
    Fault("connection lost after the launch", _lost_answer(Trouble.RESET), _can(Trouble.RESET, _launching)),
    Fault("HTML after the launch", _lost_answer(Trouble.HTML), _can(Trouble.HTML, _launching)),
    Fault("500 after the launch", _lost_answer(Trouble.SERVER_ERROR), _can(Trouble.SERVER_ERROR, _launching)),
    Fault("stockout after the launch", _late_stockout, _needs("late_stockouts", "the vendor refuses at once")),
    Fault("machines behind an empty page", _found_on_a_later_page, lambda fake: _launching(fake) or _machines_paged(fake)),
    Fault("released by somebody else", _released_elsewhere, _launching),
    Fault("clock 15 minutes ahead", _clock(CLOCK_OFF_S), _needs("signed", "requests carry no time")),
    Fault("clock 15 minutes behind", _clock(-CLOCK_OFF_S), _needs("signed", "requests carry no time")),
)
