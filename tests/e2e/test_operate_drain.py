"""A cluster is emptied under load: make before break, nothing dropped."""

from __future__ import annotations

import pytest

from simulations.demo.load import Load
from tests.e2e.clients import Fleet
from tests.e2e.running import RunningDemo, until

pytestmark = pytest.mark.timeout(420)


async def test_draining_a_cluster_moves_its_replicas_and_breaks_no_stream(demo: RunningDemo, fleet: Fleet) -> None:
    await fleet.settle(demo)
    before = await fleet.replicas("ready")
    cluster = next(each["cluster"] for each in before.values() if each["deployment"] == "batch")
    load = Load(demo.front_door, {"chat": 2, "batch": 2})
    load.start()

    async def flowing() -> bool:
        return sum(load.tally.in_flight.values()) == 4 and len(load.tally.durations_s) >= 2

    await until(flowing, "streams on both deployments")
    await fleet.post(f"/v1/clusters/{cluster}/drain")

    async def emptied() -> bool:
        left = [each for each in (await fleet.replicas()).values() if each["cluster"] == cluster]
        return not left and await fleet.settled()

    await until(emptied, f"cluster {cluster} empty and the fleet settled", 240)
    await load.finish()
    tally = load.tally
    assert not tally.errors
    assert (tally.requests_failed, tally.streams_broken) == (0, 0)
    assert tally.streams_total >= 4
    done = [move for move in await fleet.get("/v1/migrations", limit=1000) if move["old_replica"] in before and move["state"] == "stopped"]
    assert {move["old_replica"] for move in done} >= {name for name, each in before.items() if each["cluster"] == cluster}
    opened = await fleet.post(f"/v1/clusters/{cluster}/uncordon")
    assert opened["schedulability"] == "open"
    await fleet.settle(demo)
