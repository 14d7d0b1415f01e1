"""The in-memory cloud keeps the promises of the provider port."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from providers.simulated.base import base_offers
from providers.simulated.cloud import SimulatedCloud
from providers.simulated.market import Market
from providers.simulated.shelf import Temper
from scheduler.domain.errors import QuotaExceededError, StockoutError, TransientError
from scheduler.domain.events import EventKind
from scheduler.domain.offer import Offer
from scheduler.domain.ports import LaunchRequest


class World:
    """A market with a hand-turned clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self.market = Market(7, base_offers(("aws", "gcp")), Temper(volatility=0.0))
        self.aws = SimulatedCloud("aws", self.market, lambda: self.now, account="main")
        self.gcp = SimulatedCloud("gcp", self.market, lambda: self.now)

    async def offer(self, name: str) -> Offer:
        pages = [page async for page in self.aws.read_offers()]
        return next(offer for page in pages for offer in page.offers if name in offer.id)

    async def request(self, token: str = "t1") -> LaunchRequest:
        return LaunchRequest(f"node-{token}", "c1", token, await self.offer("g6.xlarge/spot"), "")


async def test_a_repeated_launch_is_the_same_machine() -> None:
    world = World()
    first = await world.aws.launch(await world.request())
    assert await world.aws.launch(await world.request()) == first
    assert await world.aws.find("t1") == (first,)


async def test_an_ambiguous_launch_is_found_by_its_token() -> None:
    world = World()
    world.aws.faults.ambiguous_launches = 1
    with pytest.raises(TransientError):
        await world.aws.launch(await world.request())
    assert [node.running for node in await world.aws.find("t1")] == [True]


async def test_stockout_and_quota_are_different_errors() -> None:
    world = World()
    world.market.stockout("aws/*/g6.xlarge/spot")
    with pytest.raises(StockoutError):
        await world.aws.launch(await world.request())
    world.market.restock("aws/*/g6.xlarge/spot")
    world.market.set_quota("aws/*L4*spot", 0)
    with pytest.raises(QuotaExceededError):
        await world.aws.launch(await world.request())


async def test_a_notice_comes_before_the_machine_goes_whichever_cloud_steps_the_market() -> None:
    world = World()
    node = await world.aws.launch(await world.request())
    world.market.interrupt("node-t1", world.now)
    ((machine, notice),) = await world.aws.read_notices()
    assert (machine, notice.kind, notice.deadline) == (
        node.provider_node_id,
        EventKind.INTERRUPTION_NOTICE,
        world.now + timedelta(seconds=120),
    )
    world.now += timedelta(seconds=121)
    world.gcp.advance()
    assert [found.running for found in await world.aws.find("t1")] == [False]


async def test_terminating_twice_is_no_error() -> None:
    world = World()
    node = await world.aws.launch(await world.request())
    await world.aws.terminate(node)
    await world.aws.terminate(node)
    assert world.market.holdings() == ()


async def test_an_api_that_is_out_answers_nothing() -> None:
    world = World()
    world.aws.faults.down = True
    with pytest.raises(TransientError):
        await world.aws.list_nodes()


async def test_offers_carry_the_account_of_the_adapter() -> None:
    world = World()
    assert (await world.offer("g6.xlarge/spot")).account == "main"
    assert {quota.account for quota in (await world.aws.read_limits()).quotas} == {"main"}
