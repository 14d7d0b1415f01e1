"""The policies that are compared. All see the same: stock and price of every zone at the tick, and their own nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.planner.spot import Choice, Sightings, SpotGoal, hazard_per_h, next_fleet, seen
from simulations.bench.spot.replay import ON_DEMAND, Sight, Terms


@dataclass
class AlwaysOnDemand:
    """As many on-demand nodes as wanted."""

    terms: Terms

    def decide(self, sight: Sight) -> Mapping[str, int]:
        return {ON_DEMAND: self.terms.wanted}


@dataclass
class CheapestZone:
    """All nodes in the cheapest zone that has spot; none where no zone has. Moves when another zone becomes cheaper or its own is lost."""

    terms: Terms

    def decide(self, sight: Sight) -> Mapping[str, int]:
        up = [(sight.price[zone], zone) for zone, available in sight.available.items() if available]
        return {min(up)[1]: self.terms.wanted} if up else {}


@dataclass
class SpotHedge:
    """SkyServe's policy, written anew from its paper; it is not SkyServe's code.

    Source: Mao et al., *SkyServe: Serving AI Models across Regions and Clouds with Spot Instances* (EuroSys 2025), section 3:
    overprovision ``spare`` spot replicas; place over zones that are not known to interrupt (a zone leaves that list when a replica
    there is interrupted or refused, enters it when a launch there succeeds, and with fewer than two left all zones are tried
    again), taking those with fewest replicas first and the cheapest of them; and fall back to on-demand for as many replicas as
    ready spot replicas are missing from wanted + spare, at most ``wanted``, until spot is ready.
    """

    terms: Terms
    spare: int = 2
    active: dict[str, bool] = field(default_factory=dict)

    def decide(self, sight: Sight) -> Mapping[str, int]:
        self.active = {zone: self.active.get(zone, True) for zone in sight.available}
        for zone in sight.lost:
            self._leaves(zone)
        target = self.terms.wanted + self.spare
        spot = {zone: count for zone, count in sight.held.items() if zone != ON_DEMAND}
        refused: set[str] = set()
        while sum(spot.values()) < target and len(refused) < len(self.active):
            usable = [zone for zone, active in self.active.items() if active and zone not in refused] or [
                zone for zone in self.active if zone not in refused
            ]
            zone = min(usable, key=lambda each: (spot.get(each, 0), sight.price[each], each))
            if sight.available[zone]:
                spot[zone] = spot.get(zone, 0) + 1
                self.active[zone] = True
            else:
                refused.add(zone)
                self._leaves(zone)
        ready = sum(count for zone, count in sight.ready.items() if zone != ON_DEMAND)
        return {**spot, ON_DEMAND: min(self.terms.wanted, max(0, target - ready))}

    def _leaves(self, zone: str) -> None:
        self.active[zone] = False
        if sum(self.active.values()) < 2:
            self.active = {each: each != zone for each in self.active}


@dataclass
class Ours:
    """The product's own decisions (``scheduler.planner.spot``): hazards from what was seen, the best fleet, moved make before break."""

    terms: Terms
    goal: SpotGoal
    sightings: dict[str, Sightings] = field(default_factory=dict)

    def decide(self, sight: Sight) -> Mapping[str, int]:
        for zone, available in sight.available.items():
            self.sightings[zone] = seen(self.sightings.get(zone, Sightings()), sight.now_h, available)
        target = next_fleet(sight.held, self._choices(sight), self.goal).replicas
        ready_there = sum(min(count, sight.ready.get(place, 0)) for place, count in target.items())
        if ready_there >= sum(target.values()):
            return target
        # Make before break: what leaves stays until everything that replaces it is ready.
        return {place: max(target.get(place, 0), sight.held.get(place, 0)) for place in {*target, *sight.held}}

    def _choices(self, sight: Sight) -> list[Choice]:
        out: dict[str, int] = {}
        for zone, available in sight.available.items():
            out[sight.region[zone]] = out.get(sight.region[zone], 0) + (not available)
        found = [
            Choice(zone, sight.region[zone], sight.price[zone], hazard_per_h(self.sightings[zone], out[sight.region[zone]]))
            for zone, available in sight.available.items()
            if available
        ]
        return [*found, Choice(ON_DEMAND, ON_DEMAND, sight.price[ON_DEMAND])]
