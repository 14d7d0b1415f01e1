"""Runs the proof of an adapter: the vendor's SDK beside ours on one fake, then every fault of the matrix."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import json
import pkgutil
import tomllib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import simulations.vendors.clouds as clouds
from providers.proofs import RECORD
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import ProofLevel
from simulations.vendors.fake import Fake, Seen, system_clock
from simulations.vendors.faults import FAULTS, Fault
from simulations.vendors.trial import NotHeldError, Trial, Walk, trial

FAULTS_AT_ONCE = 48
"""Over all adapters. Most faults wait for a retry; each has a fake of its own."""


class Verdict(StrEnum):
    HELD = "held"
    BROKEN = "broken"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class FaultReport:
    """What became of one fault. ``note`` tells what broke, why it does not apply, or what of the vendor's wording is assumed."""

    fault: str
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """The vendor's SDK and our adapter on one fake. ``differences`` is empty where they agree.

    Attributes:
        offers_sdk, offers_ours: how many each saw. prices, stocks: how many of them the SDK tells, all compared.
    """

    sdk: str
    offers_sdk: int
    offers_ours: int
    prices: int
    stocks: int
    differences: tuple[str, ...]


@dataclass(frozen=True)
class ProofReport:
    """The proof of one adapter."""

    provider: str
    level: ProofLevel
    schema: str
    comparison: Comparison | None
    faults: tuple[FaultReport, ...]
    problems: tuple[str, ...]

    @property
    def held(self) -> bool:
        """True where every fault that applies held, the SDK agreed and no call broke the vendor's model."""
        differences = self.comparison.differences if self.comparison else ()
        return not (self.problems or differences or any(fault.verdict is Verdict.BROKEN for fault in self.faults))

    def count(self, verdict: Verdict) -> int:
        return sum(fault.verdict is verdict for fault in self.faults)

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        counts = {verdict.value.replace(" ", "_"): self.count(verdict) for verdict in Verdict}
        return {**dataclasses.asdict(self), "held": self.held, "counts": counts}


def fakes() -> Mapping[str, type[Fake]]:
    """Every fake, by the adapter's kind."""
    found: dict[str, type[Fake]] = {}
    for module in pkgutil.iter_modules(clouds.__path__):
        loaded = importlib.import_module(f"{clouds.__name__}.{module.name}")
        for value in vars(loaded).values():
            if isinstance(value, type) and issubclass(value, Fake) and value.__module__ == loaded.__name__:
                found[value.kind] = value
    return dict(sorted(found.items()))


def fake_of(kind: str) -> type[Fake]:
    """The fake of one cloud.

    Raises:
        InvalidInputError: there is none.
    """
    known = fakes()
    if kind not in known:
        raise InvalidInputError("name", kind, "there is no fake of this cloud", f"Known: {', '.join(known)}.")
    return known[kind]


@contextlib.asynccontextmanager
async def proving(kinds: Iterable[type[Fake]]) -> AsyncIterator[Mapping[str, asyncio.Task[ProofReport]]]:
    """Proofs of several adapters under way side by side, by the adapter's kind: what one waits for, another works in."""
    gate = asyncio.Semaphore(FAULTS_AT_ONCE)
    tasks = {kind.kind: asyncio.create_task(prove(kind, gate=gate)) for kind in kinds}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def prove(kind: type[Fake], faults: Iterable[Fault] = FAULTS, *, gate: asyncio.Semaphore | None = None) -> ProofReport:
    """Run the whole proof of one adapter. Raises nothing that an adapter does wrong: that is what the report is for.

    Args:
        gate: bounds the faults that run at once, where proofs share it.
    """
    gate = gate or asyncio.Semaphore(FAULTS_AT_ONCE)
    async with gate, trial(kind) as one:
        walk = await one.walk()
        problems = list(_undisturbed(one.fake, walk))
        comparison = await _compared(one, walk) if kind.sdk_version() else None
        problems += one.server.violations
    reports = tuple(await asyncio.gather(*(_faced(fault, kind, gate) for fault in faults)))
    agreed = comparison is not None and not comparison.differences
    level = ProofLevel.SDK_TRIANGULATED if agreed else ProofLevel.SCHEMA_VALIDATED if kind.schema else ProofLevel.DOCUMENTED
    return ProofReport(kind.kind, level, kind.schema, comparison, reports, tuple(problems))


def _undisturbed(fake: Fake, walk: Walk) -> Iterable[str]:
    """What is wrong with a reading that nothing disturbed."""
    if not walk.whole:
        return [f"an undisturbed reading broke: {walk.error or walk.failed}"]
    expected = {product.name for product in fake.estate.products}
    missing = expected - {offer.instance_type.name for offer in walk.offers.values()}
    told = [f"no offer of {name}" for name in sorted(missing)]
    return [*told, *(f"quarantined undisturbed: {row}" for row in walk.quarantined)]


async def _compared(one: Trial, walk: Walk) -> Comparison:
    ours = {_key(seen): seen for seen in map(one.fake.seen, walk.offers.values())}
    theirs = {_key(seen): seen for seen in await asyncio.to_thread(lambda: list(one.fake.read_with_sdk(one.server.url)))}
    differences = [f"only the SDK sees {key}" for key in sorted(theirs.keys() - ours.keys())]
    differences += [f"only we see {key}" for key in sorted(ours.keys() - theirs.keys())]
    for key in sorted(ours.keys() & theirs.keys()):
        for field in ("micro_usd_per_h", "stock"):
            sdk, own = getattr(theirs[key], field), getattr(ours[key], field)
            if sdk is not None and sdk != own:
                differences.append(f"{key}: {field} is {sdk} to the SDK and {own} to us")
    prices = sum(seen.micro_usd_per_h is not None for seen in theirs.values())
    stocks = sum(seen.stock is not None for seen in theirs.values())
    return Comparison(one.fake.sdk_version(), len(theirs), len(ours), prices, stocks, tuple(differences))


def _key(seen: Seen) -> tuple[str, str, bool]:
    return seen.instance_type, seen.place, seen.spot


async def _faced(fault: Fault, kind: type[Fake], gate: asyncio.Semaphore) -> FaultReport:
    why_not = fault.applies(kind)
    if why_not:
        return FaultReport(fault.name, Verdict.NOT_APPLICABLE, why_not)
    try:
        async with gate:
            await fault.run(kind)
    except NotHeldError as broken:
        return FaultReport(fault.name, Verdict.BROKEN, str(broken))
    except Exception as bug:
        return FaultReport(fault.name, Verdict.BROKEN, f"{type(bug).__name__}: {bug}")
    assumed = kind.assumed.get(fault.name, "")
    return FaultReport(fault.name, Verdict.HELD, f"assumed: {assumed}" if assumed else "")


def record(reports: Iterable[ProofReport]) -> None:
    """Keep the outcome of held proofs beside the adapters; a broken one loses its entry."""
    kept: dict[str, dict[str, object]] = {}
    if RECORD.exists():
        with RECORD.open("rb") as before:
            kept = tomllib.load(before)
    for report in reports:
        kept.pop(report.provider, None)
        if report.held:
            held = report.count(Verdict.HELD)
            sdk = report.comparison.sdk if report.comparison else ""
            told = {"level": report.level.value, "on": system_clock().date().isoformat(), "sdk": sdk}
            kept[report.provider] = {**told, "faults_held": held, "faults_tried": held + report.count(Verdict.BROKEN)}
    lines = ["# Written by `headrace providers prove --all --write`."]
    for kind, row in sorted(kept.items()):
        lines += ["", f"[{kind}]", *(f"{name} = {json.dumps(value)}" for name, value in row.items())]
    RECORD.write_text("\n".join(lines) + "\n", encoding="utf-8")
