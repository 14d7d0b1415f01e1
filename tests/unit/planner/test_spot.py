"""Spot decisions: what is seen becomes a hazard, hazards and prices become a fleet, and a fleet is kept unless another is better."""

from __future__ import annotations

from scheduler.planner.spot import Choice, Sightings, SpotGoal, best_fleet, hazard_per_h, judged, next_fleet, seen

GOAL = SpotGoal(wanted=4, start_s=240, shortfall_price=800_000_000)
ON_DEMAND = Choice("od", "od", 3_000_000)


def watched(*spells: tuple[bool, float], step_h: float = 0.1) -> Sightings:
    """Sightings after spells of (available, hours)."""
    found, now = Sightings(), 0.0
    for available, hours in spells:
        for _ in range(round(hours / step_h)):
            found = seen(found, now, available)
            now += step_h
    return found


def zone(name: str, price: int = 1_000_000, hazard: float = 0.1, region: str = "") -> Choice:
    return Choice(name, region or name, price, hazard)


def test_a_zone_that_has_lasted_is_steadier_than_one_that_came_back() -> None:
    steady, back = hazard_per_h(watched((True, 20))), hazard_per_h(watched((True, 18), (False, 1), (True, 1)))
    assert steady < 0.1 < back


def test_a_zone_that_nobody_has_seen_before_gets_the_prior_not_nothing() -> None:
    assert 0.1 < hazard_per_h(seen(Sightings(), 0.0, True)) < 1


def test_each_sold_out_neighbour_raises_the_hazard() -> None:
    lasted = watched((True, 5))
    assert hazard_per_h(lasted) < hazard_per_h(lasted, 1) < hazard_per_h(lasted, 2)


def test_old_losses_fade() -> None:
    once = ((False, 0.2), (True, 1.0))
    assert hazard_per_h(watched(*once, (False, 0.2), (True, 30))) < hazard_per_h(watched((True, 30), *once, (False, 0.2), (True, 1)))


def test_one_steady_zone_holds_everything_where_nothing_else_is_worth_its_price() -> None:
    fleet = best_fleet([zone("a", hazard=0.01), zone("b", hazard=0.3), ON_DEMAND], GOAL)
    assert fleet.replicas == {"a": 4}


def test_spares_go_to_zones_far_apart_when_every_zone_is_shaky() -> None:
    near = [zone("a1", region="a", hazard=0.2), zone("a2", region="a", hazard=0.2)]
    fleet = best_fleet([*near, zone("b", hazard=0.2), zone("c", 1_050_000, hazard=0.2), ON_DEMAND], GOAL)
    assert sum(fleet.replicas.values()) > GOAL.wanted
    assert all(sum(fleet.replicas.values()) - count >= GOAL.wanted for count in fleet.replicas.values())
    assert fleet.replicas.get("a1", 0) + fleet.replicas.get("a2", 0) <= sum(fleet.replicas.values()) - GOAL.wanted


def test_on_demand_is_held_where_spot_is_too_shaky_or_gone() -> None:
    assert best_fleet([ON_DEMAND], GOAL).replicas == {"od": 4}
    assert best_fleet([zone("a", hazard=4.0), ON_DEMAND], GOAL).replicas == {"od": 4}
    assert best_fleet([], GOAL).replicas == {}


def test_only_losses_that_leave_too_few_count_as_shortfall() -> None:
    zones = [zone("a"), zone("b"), zone("c")]
    assert judged({"a": 4}, zones, GOAL).short_share > 5 * judged({"a": 2, "b": 2, "c": 2}, zones, GOAL).short_share
    assert judged({"od": 4}, [ON_DEMAND], GOAL).short_share == 0


def test_a_fleet_that_is_nearly_as_good_is_kept() -> None:
    now = {"a": 4}
    assert next_fleet(now, [zone("a", hazard=0.02), zone("b", 990_000, hazard=0.02)], GOAL).replicas == now
    assert next_fleet(now, [zone("a", hazard=0.02), zone("b", 500_000, hazard=0.02)], GOAL).replicas == {"b": 4}


def test_what_was_lost_is_replaced_at_once() -> None:
    assert next_fleet({"a": 3}, [zone("a", hazard=0.02)], GOAL).replicas == {"a": 4}
    assert next_fleet({"gone": 4}, [zone("a", hazard=0.02)], GOAL).replicas == {"a": 4}
