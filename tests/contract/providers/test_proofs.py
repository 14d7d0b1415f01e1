"""Every adapter faces the fault matrix on a fake of its cloud, and agrees with the vendor's own SDK; the record claims no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import entry_points

import pytest
import pytest_asyncio

from providers.proofs import proof_of
from scheduler.domain.offer import AvailabilityKind
from scheduler.domain.ports import ProofLevel
from simulations.vendors.faults import FAULTS
from simulations.vendors.proof import ProofReport, Verdict, fakes, proving
from simulations.vendors.trial import trial

STRENGTH = list(ProofLevel)
OWN = {"simulated", "snapshot", "static"}
"""Adapters of our own: no vendor could be played. Their suites are beside this one."""
TRIANGULATED_MIN = 12

pytestmark = pytest.mark.timeout(900)

Proofs = Mapping[str, asyncio.Task[ProofReport]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proofs(request: pytest.FixtureRequest) -> AsyncIterator[Proofs]:
    """The proofs of all adapters that this run asks for, under way side by side: each mostly waits for retries."""
    calls = [getattr(item, "callspec", None) for item in request.session.items if item.parent is request.node]
    asked = {call.params["kind"] for call in calls if call is not None}
    async with proving(fake for kind, fake in fakes().items() if kind in asked) as under_way:
        yield under_way


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", fakes())
async def test_an_adapter_holds_and_its_record_claims_no_more(kind: str, proofs: Proofs) -> None:
    report = await proofs[kind]
    broken = {fault.fault: fault.note for fault in report.faults if fault.verdict is Verdict.BROKEN}
    assert not broken
    assert not report.problems
    assert report.comparison is None or not report.comparison.differences
    claimed = proof_of(kind)
    assert claimed is not None, f"run `headrace providers prove {kind} --write`"
    assert STRENGTH.index(claimed.level) <= STRENGTH.index(report.level)
    assert claimed.faults_held <= report.count(Verdict.HELD)


def test_every_adapter_has_a_fake() -> None:
    kinds = {point.name for point in entry_points(group="headrace.providers")}
    assert kinds - OWN == set(fakes())


def test_most_adapters_were_read_beside_the_vendors_own_sdk() -> None:
    levels = [proof.level for kind in fakes() if (proof := proof_of(kind))]
    assert levels.count(ProofLevel.SDK_TRIANGULATED) >= TRIANGULATED_MIN


def test_no_fault_is_excused_everywhere() -> None:
    assert len(FAULTS) >= 20
    assert not [fault.name for fault in FAULTS if all(fault.applies(kind) for kind in fakes().values())]


@pytest.mark.parametrize("kind", fakes())
async def test_what_is_declared_is_what_is_there(kind: str) -> None:
    async with trial(fakes()[kind]) as one:
        declared = one.provider.capabilities
        offers = list((await one.walk()).offers.values())
    assert declared.launches == (one.provider.launcher is not None) == fakes()[kind].launches
    assert declared.quotas <= (one.provider.limits is not None)
    # whoever counts may also say a plain no; whoever sells spot need not have any today
    plain = {AvailabilityKind.UNKNOWN, AvailabilityKind.BOOLEAN}
    assert {offer.availability.kind for offer in offers} <= {declared.availability, *plain}
    assert declared.spot_prices >= any(offer.capacity_type.revocable for offer in offers)
    assert all(offer.notice_s == (declared.notice_s if offer.capacity_type.revocable else 0) for offer in offers)
    assert all(offer.account == "main" and offer.source for offer in offers)
