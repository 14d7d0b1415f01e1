"""The market: seeded, told the time, and obedient to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.simulated.base import AWS_SPOT_SHARE, base_offers
from providers.simulated.holding import Happening, Holding, Refusal, RefusedError
from providers.simulated.market import Market
from providers.simulated.shelf import Temper
from scheduler.domain.errors import NoSuchError
from scheduler.domain.offer import CapacityType, Offer, SourceKind

START = datetime(2026, 11, 1, tzinfo=UTC)
SPOT = "aws/simulated/us-east-1/us-east-1/g6.xlarge/spot"
ON_DEMAND = "aws/simulated/us-east-1/us-east-1/g6.xlarge/on-demand"
OFFERS = base_offers(("aws",))
CALM = Temper(volatility=0.0)


def market(*, seed: int = 1, temper: Temper | None = None) -> Market:
    opened = Market(seed, OFFERS, temper)
    opened.step(START)
    return opened


def rent(opened: Market, offer_id: str, name: str = "m1") -> Holding:
    return opened.allocate(offer_id, Holding(name, offer_id, f"token-{name}", START, node=f"node-{name}"))


def prices(offers: tuple[Offer, ...]) -> dict[str, int]:
    return {offer.id: offer.price_micro_usd_per_h for offer in offers}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), cuts=st.lists(st.integers(1, 3 * 3600), max_size=4))
def test_how_often_the_market_is_asked_does_not_change_it(seed: int, cuts: list[int]) -> None:
    at_once, in_steps = market(seed=seed), market(seed=seed)
    end = START + timedelta(hours=3)
    at_once.step(end)
    for cut in sorted(cuts):
        in_steps.step(START + timedelta(seconds=cut))
    in_steps.step(end)
    assert at_once.offers() == in_steps.offers()


def test_another_seed_is_another_market() -> None:
    one, two = market(seed=1), market(seed=2)
    one.step(START + timedelta(hours=1))
    two.step(START + timedelta(hours=1))
    assert prices(one.offers()) != prices(two.offers())


def test_renting_does_not_move_prices() -> None:
    """So that two policies can be compared in the same market."""
    idle, busy = market(seed=3), market(seed=3)
    rent(busy, SPOT)
    for opened in (idle, busy):
        opened.step(START + timedelta(hours=6))
    assert prices(idle.offers()) == prices(busy.offers())


def test_on_demand_prices_stand_still_and_spot_moves_below_them() -> None:
    opened = market()
    before = prices(opened.offers())
    opened.step(START + timedelta(hours=12))
    after = prices(opened.offers())
    assert after[ON_DEMAND] == before[ON_DEMAND]
    assert after[SPOT] != before[SPOT]
    assert all(after[key] <= after[key.replace("/spot", "/on-demand")] for key in after if key.endswith("/spot"))


def test_time_never_goes_back() -> None:
    opened = market()
    opened.step(START + timedelta(hours=1))
    before = opened.offers()
    opened.step(START)
    assert opened.offers() == before


def test_aws_spot_is_derived_at_a_stated_share_and_says_so() -> None:
    offers = {offer.id: offer for offer in OFFERS}
    assert offers[SPOT].price_micro_usd_per_h == round(offers[ON_DEMAND].price_micro_usd_per_h * AWS_SPOT_SHARE)
    assert "simulated spot at 40% of the aws list price" in offers[SPOT].source
    assert {offer.source_kind for offer in OFFERS} == {SourceKind.SIMULATED}


def test_a_rented_machine_leaves_the_shelf_and_comes_back() -> None:
    opened = market(temper=CALM)
    stock = opened.offer(SPOT).availability.count
    assert stock is not None
    rent(opened, SPOT)
    assert opened.offer(SPOT).availability.count == stock - 1
    opened.release("m1")
    assert opened.offer(SPOT).availability.count == stock


def test_a_stockout_refuses_until_restock() -> None:
    opened = market(temper=CALM)
    assert [offer.id for offer in opened.stockout("g6.xlarge/spot")] == [SPOT]
    with pytest.raises(RefusedError) as refused:
        rent(opened, SPOT)
    assert refused.value.refusal is Refusal.STOCKOUT
    opened.restock(SPOT, 2)
    rent(opened, SPOT)
    assert opened.offer(SPOT).availability.count == 1


def test_quota_counts_gpus_of_the_family_and_is_told_apart_from_stockout() -> None:
    opened = market(temper=Temper(volatility=0.0, quota_gpus=8))
    rent(opened, ON_DEMAND)
    eight = ON_DEMAND.replace("g6.xlarge", "g6.48xlarge")
    with pytest.raises(RefusedError) as refused:
        rent(opened, eight, "m2")
    assert refused.value.refusal is Refusal.QUOTA
    opened.set_quota("L4-24GB-PCIe", 9)
    rent(opened, eight, "m2")


def test_an_unknown_offer_cannot_be_rented() -> None:
    with pytest.raises(NoSuchError):
        rent(market(), "aws/simulated/mars/mars/g6.xlarge/spot")


def test_an_interruption_gives_notice_then_takes_the_machine() -> None:
    opened = market(temper=CALM)
    rent(opened, SPOT)
    (noticed,) = opened.interrupt("node-m1", START)
    assert (noticed.kind, noticed.holding.deadline) == (Happening.NOTICED, START + timedelta(seconds=120))
    assert opened.step(START + timedelta(seconds=119)) == ()
    (gone,) = opened.step(START + timedelta(seconds=120))
    assert gone.kind is Happening.RECLAIMED
    assert opened.holdings() == ()


def test_a_reclaim_gives_no_notice() -> None:
    opened = market(temper=CALM)
    rent(opened, ON_DEMAND)
    (gone,) = opened.reclaim("aws/*/g6.xlarge/on-demand/*", START)
    assert gone.kind is Happening.RECLAIMED
    assert gone.holding.deadline is None


def test_chance_interrupts_spot_only() -> None:
    opened = market(temper=Temper(interruptions_per_h=2.0))
    rent(opened, SPOT)
    rent(opened, ON_DEMAND, "m2")
    events = opened.step(START + timedelta(hours=12))
    assert {event.holding.machine for event in events} == {"m1"}
    assert [event.kind for event in events] == [Happening.NOTICED, Happening.RECLAIMED]


def test_a_pinned_price_stays_until_it_is_unpinned() -> None:
    opened = market()
    opened.pin_price("*g6.xlarge/spot", micro_usd_per_h=123_456)
    opened.step(START + timedelta(hours=5))
    assert opened.offer(SPOT).price_micro_usd_per_h == 123_456
    opened.pin_price(SPOT, factor=1.5)
    assert opened.offer(SPOT).price_micro_usd_per_h == 185_184
    opened.unpin(SPOT)
    assert opened.offer(SPOT).price_micro_usd_per_h != 185_184


def test_pins_survive_a_restart() -> None:
    opened, reopened = market(), market()
    opened.pin_price(SPOT, micro_usd_per_h=5)
    opened.stockout(ON_DEMAND)
    opened.set_quota("T4", 3)
    reopened.restore(opened.overrides())
    assert reopened.overrides() == opened.overrides()
    assert reopened.offer(ON_DEMAND).availability.sold_out


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_every_cloud_of_the_demo_has_a_cheap_single_gpu_on_demand_and_on_spot(cloud: str) -> None:
    for capacity in (CapacityType.ON_DEMAND, CapacityType.SPOT):
        cheap = [
            offer
            for offer in base_offers((cloud,))
            if offer.capacity_type is capacity and offer.instance_type.accelerator_count == 1 and offer.price_micro_usd_per_h < 1_000_000
        ]
        assert cheap


def test_a_cloud_without_prices_is_named() -> None:
    with pytest.raises(ValueError, match="no list prices for nimbus"):
        base_offers(("aws", "nimbus"))
