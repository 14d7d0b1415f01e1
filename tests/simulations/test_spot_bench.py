"""The spot bench on windows small enough to check by hand, and on the recorded ones where they are there."""

from __future__ import annotations

import io
import json
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest

from scheduler.planner.spot import SpotGoal
from simulations.bench.spot.floor import floor_cost
from simulations.bench.spot.policies import AlwaysOnDemand, CheapestZone, Ours, SpotHedge
from simulations.bench.spot.replay import Terms, replay
from simulations.bench.spot.run import spot
from simulations.bench.spot.windows import Window, Zone, read_windows

TERMS = Terms(wanted=1, start_s=240.0, on_demand=3_000_000)
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "prices" / "spot_windows.tar.xz"
GAP_S = 195.0


def zone(name: str, available: str, price: int = 1_000_000) -> Zone:
    """``#`` is available, ``.`` is out; one letter a tick."""
    return Zone(name, tuple(each == "#" for each in available), (price,) * len(available))


def window(*zones: Zone) -> Window:
    return Window("0", GAP_S, zones)


def node_ticks(cost: float, price: int = 1_000_000) -> float:
    return round(cost / price * 3600 / GAP_S, 6)


def test_a_node_is_ready_a_start_after_its_launch_and_lost_at_its_tick() -> None:
    told = replay(window(zone("a1", "####.###")), CheapestZone(TERMS), TERMS)
    # Measured from 240 s to 1560 s; out at 780 s, launched again at 975 s, ready at 1215 s.
    assert told.measured_s == pytest.approx(8 * GAP_S - 240)
    assert told.measured_s - told.enough_s == pytest.approx(5 * GAP_S + 240 - 4 * GAP_S)
    assert (told.interruptions, told.launches) == (1, 2)
    assert node_ticks(told.cost) == 7


def test_on_demand_is_always_ready_and_is_paid_in_full() -> None:
    told = replay(window(zone("a1", "........")), AlwaysOnDemand(TERMS), TERMS)
    assert told.availability == 1
    assert node_ticks(told.on_demand_cost, TERMS.on_demand) == 8


def test_the_floor_hands_over_before_the_loss_it_knows_of() -> None:
    # One node in each zone; the second is launched two ticks (390 s >= 240 s) before it takes over.
    assert node_ticks(floor_cost(window(zone("a1", "####...."), zone("b1", "########", 1_500_000)), TERMS)) == 8 * 1.5
    assert node_ticks(floor_cost(window(zone("a1", "########"), zone("b1", "####....", 500_000)), TERMS)) == 4 * 0.5 + 6 * 1.0
    assert node_ticks(floor_cost(window(zone("a1", "....####")), TERMS)) == min(6 * 3.0 + 4 * 1.0, 8 * 3.0)


def test_the_floor_is_no_dearer_than_any_fleet_that_is_always_ready() -> None:
    zones = (
        zone("a1", "#" * 40 + "." * 10 + "#" * 50),
        zone("b1", "#" * 70 + "." * 30, 1_200_000),
        zone("c1", "." * 20 + "#" * 80, 900_000),
    )
    terms = Terms(wanted=3, start_s=240.0, on_demand=3_000_000)
    for policy in (AlwaysOnDemand(terms), SpotHedge(terms, 3), Ours(terms, SpotGoal(3, 240.0, 10**12))):
        told = replay(window(*zones), policy, terms)
        assert told.availability < 1 or told.cost >= floor_cost(window(*zones), terms)


def test_spot_hedge_covers_what_is_not_ready_by_on_demand() -> None:
    policy = SpotHedge(Terms(wanted=2), spare=1)
    told = replay(window(zone("a1", "#" * 20), zone("b1", "#" * 20)), policy, Terms(wanted=2))
    assert told.availability == 1
    assert node_ticks(told.on_demand_cost, 3_060_000) == 2 * 2


def test_ours_makes_before_it_breaks() -> None:
    falling = tuple(1_000_000 if tick < 30 else 400_000 for tick in range(60))
    zones = (zone("a1", "#" * 60, 900_000), Zone("b1", (True,) * 60, falling))
    told = replay(window(*zones), Ours(TERMS, SpotGoal(1, 240.0, 10_000_000)), TERMS)
    assert told.availability == 1
    assert told.launches == 2
    assert told.interruptions == 0


def archive(folder: Path, zones: dict[str, list[int]]) -> Path:
    path = folder / "windows.tar.xz"
    with tarfile.open(path, "w:xz") as files:
        for name, out in zones.items():
            row = {"metadata": {"gap_seconds": GAP_S}, "data": out, "prices": [0.9] * len(out)}
            content = json.dumps(row).encode()
            entry = tarfile.TarInfo(f"spot_windows/{name}_v100_1/0.json")
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    return path


def test_one_means_unavailable_in_the_recordings(tmp_path: Path) -> None:
    (read,) = read_windows(archive(tmp_path, {"us-east-1a": [1, 0, 0], "us-west-2b": [0, 0, 1]}))
    assert [each.available for each in read.zones] == [(False, True, True), (True, True, False)]
    assert [each.region for each in read.zones] == ["us-east-1", "us-west-2"]
    assert read.zones[0].price[0] == 900_000
    with pytest.raises(ValueError, match="not aligned"):
        read_windows(archive(tmp_path, {"us-east-1a": [1, 0], "us-west-2b": [0]}))


def test_figures_name_every_policy(tmp_path: Path) -> None:
    figures = spot(archive(tmp_path, {"us-east-1a": [0] * 30, "us-west-2b": [1] * 15 + [0] * 15}), Terms())
    assert figures["policies"]["on-demand"]["availability"] == 1
    assert all(each["cost_ratio_to_floor"] > 0.99 for each in figures["policies"].values())


@pytest.mark.bench
def test_ours_is_cheaper_and_readier_than_spot_hedge_on_recorded_windows() -> None:
    if not RECORDED.exists():
        pytest.skip("needs research data: prices/spot_windows.tar.xz")
    figures = spot(RECORDED, Terms())["policies"]
    ours = figures["headrace, shortfall 70 h"]
    assert ours["cost_ratio_to_floor"] <= 1.25
    assert ours["availability"] >= 0.998
    assert all(ours["availability"] > figures[f"SpotHedge, {spare} spare"]["availability"] for spare in (1, 2, 3))
    costs = [figures[f"headrace, shortfall {hours} h"]["cost_ratio_to_floor"] for hours in (25, 70, 150)]
    assert all(one < other for one, other in pairwise(costs))
