"""The snapshot: what is fresh enough to count, and a version that changes exactly when the world does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.evidence import LaunchRecord
from scheduler.domain.offer import Availability, Offer, Reservation, SourceKind
from scheduler.domain.ports import Limits, OfferPage
from scheduler.domain.snapshot import Freshness, LaunchCap, ProviderStatus, Snapshot
from scheduler.domain.stores import ChangeSet, Fleet, Workload
from scheduler.inventory.assemble import Sources, World, assemble, snapshot_of
from scheduler.inventory.version import canonical
from scheduler.store import Store
from tests.builders import NOW, cluster, deployment, model, node, offer, replica, shape

TARGET_S = 300
AWS = ProviderStatus("aws", "default", "live", Freshness.FRESH, TARGET_S, 1)


def snapshot(*offers: Offer, **parts: Any) -> Snapshot:
    parts = {"statuses": (AWS,), "limits": Limits(), "records": {}, "workload": Workload(), "fleet": Fleet((cluster(),)), **parts}
    return snapshot_of(World(offers=offers, **parts), NOW)


def aged(seconds: float, kind: SourceKind = SourceKind.LIVE, **more: Any) -> Offer:
    return replace(offer(**more), observed_at=NOW - timedelta(seconds=seconds), source_kind=kind)


@pytest.mark.parametrize("kind", [SourceKind.LIVE, SourceKind.SIMULATED])
def test_a_row_older_than_three_freshness_targets_is_left_out(kind: SourceKind) -> None:
    kept, dropped = aged(3 * TARGET_S, kind, zone="a"), aged(3 * TARGET_S + 1, kind, zone="b")
    assert snapshot(kept, dropped).offers == (kept,)


@pytest.mark.parametrize("kind", [SourceKind.SNAPSHOT, SourceKind.DECLARED])
def test_a_snapshot_or_declared_row_never_expires_and_carries_its_kind(kind: SourceKind) -> None:
    old = aged(10**7, kind)
    assert snapshot(old).offers == (old,)


def test_an_aggregators_rows_age_by_the_aggregators_target() -> None:
    through = replace(aged(4000, provider="lambda"), feed="shadeform")
    slow = ProviderStatus("shadeform", "default", "live", Freshness.FRESH, 2000, 1)
    assert snapshot(through, statuses=(AWS, slow)).offers == (through,)


def test_the_providers_word_and_a_stockout_of_our_own_become_one_cap() -> None:
    plenty = replace(aged(0, zone="a"), availability=Availability.of_count(9))
    unknown = aged(0, zone="b")
    sold_out = LaunchRecord(f"offer:{plenty.id}", NOW, 1, 0, NOW + timedelta(minutes=5), "sold out")
    caps = snapshot(plenty, unknown, records={sold_out.scope: sold_out, "offer:not/in/here": sold_out}).caps
    assert (caps[plenty.id].nodes, caps[plenty.id].until) == (0, sold_out.until)
    assert caps[unknown.id].nodes == 4
    assert len(caps) == 2


def test_a_running_nodes_offer_stays_after_it_is_no_longer_sold_but_launches_nothing() -> None:
    gone = offer(usd=3.0)
    fleet = Fleet((cluster(),), (node("n1", gone, cluster().id),))
    seen = snapshot(fleet=fleet)
    (held,) = seen.offers
    assert (held.id, held.price_micro_usd_per_h, held.instance_type) == (gone.id, 3_000_000, gone.instance_type)
    assert seen.caps[gone.id].nodes == 0


def test_a_reservation_that_has_ended_is_left_out() -> None:
    ended = Reservation("r1", "aws", "default", "us-east-1", "a", "p5", 1, 0, NOW, ends_at=NOW)
    lasting = replace(ended, id="r2", ends_at=None)
    assert snapshot(limits=Limits((), (ended, lasting))).reservations == (lasting,)


def test_a_poll_that_found_nothing_new_does_not_make_a_new_world() -> None:
    first = snapshot(aged(60, zone="a"), aged(60, zone="b"))
    again = snapshot(aged(0, zone="b"), aged(0, zone="a"), statuses=(replace(AWS, last_success_at=NOW),))
    assert first.version == again.version
    busier = Fleet((replace(cluster(), lease_until=NOW),))
    assert snapshot(aged(60, zone="a"), aged(60, zone="b"), fleet=busier).version == first.version


def test_whatever_a_decision_rests_on_changes_the_version() -> None:
    base = aged(0)
    worlds = [
        snapshot(base),
        snapshot(),
        snapshot(replace(base, price_micro_usd_per_h=1)),
        snapshot(replace(base, availability=Availability.of_count(1))),
        snapshot(replace(base, source_kind=SourceKind.SNAPSHOT)),
        snapshot(replace(base, interruptions_per_h=0.1)),
        snapshot(base, records={f"offer:{base.id}": LaunchRecord(f"offer:{base.id}", NOW, 1, 0, NOW + timedelta(minutes=5), "sold out")}),
        snapshot(base, fleet=Fleet((cluster(), cluster(region="us-west-2")))),
        snapshot(base, fleet=Fleet((cluster(),), (node("n1", base, cluster().id),))),
        snapshot(base, workload=Workload(deployments=(deployment(),))),
        snapshot(base, workload=Workload(deployments=(deployment(tokens_per_s=81.0),))),
        snapshot(base, workload=Workload(models=(model(),), shapes=(shape(),))),
        snapshot(base, egress_micro_usd_per_gb={("a", "b"): 1}),
    ]
    versions = [world.version for world in worlds]
    assert len(set(versions)) == len(versions)
    assert all(0 <= version < 2**63 for version in versions)


@given(st.dictionaries(st.text(), st.floats(allow_nan=False)), st.randoms())
def test_the_order_of_a_mapping_is_not_part_of_the_world(entries: dict[str, float], shuffler: Any) -> None:
    shuffled = list(entries.items())
    shuffler.shuffle(shuffled)
    assert canonical(entries) == canonical(dict(shuffled))


async def test_it_reads_the_offers_of_declared_clusters_only(store: Store) -> None:
    here = replace(offer(), source_kind=SourceKind.LIVE)
    elsewhere = [replace(here, region="eu-west-1"), replace(here, account="other")]
    await store.offers.ingest("aws", "default", OfferPage("all", (here, *elsewhere), complete=True), NOW)
    await store.offers.put_status(AWS)
    await store.fleet.put_clusters([cluster()])
    await store.workload.put(Workload(deployments=(deployment(),), models=(model(),), shapes=(shape(),)))
    epoch = await store.leases.acquire_leadership("test", NOW, 60)
    assert epoch is not None
    machine = node("n1", here, cluster().id)
    await store.fleet.commit(ChangeSet(clusters=(cluster(),), nodes=(machine,), replicas=(replica("r1", machine),)), epoch)
    until = NOW + timedelta(minutes=5)
    await store.evidence.put_records([LaunchRecord(f"offer:{here.id}", NOW, strikes=1, until=until, cause="sold out")])
    sources = Sources(store.offers, store.evidence, store.workload, store.fleet)
    seen = await assemble(sources, NOW, {("aws:us-east-1", "gcp:us-central1"): 90_000})
    assert seen.offers == (here,)
    assert seen.caps == {here.id: LaunchCap(0, 1.0, "sold out: tried again after 12:05 UTC", until)}
    assert (seen.clusters, seen.nodes, seen.providers) == ((cluster(),), (machine,), (AWS,))
    assert [found.id for found in seen.deployments] == ["d"]
    assert (await assemble(sources, NOW + timedelta(seconds=1), seen.egress_micro_usd_per_gb)).version == seen.version
