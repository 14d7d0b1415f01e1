"""What people declare, the ledger, and keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.domain.errors import ConflictError, NoSuchError
from scheduler.domain.stores import ApiKey, Workload
from scheduler.domain.usage import NodeUsage, TokenUsage
from scheduler.domain.workload import (
    Adapter,
    AliasTarget,
    Demand,
    ExternalEndpoint,
    FailureDomain,
    ModelAlias,
    PlacementRules,
    PriceBook,
    Spread,
    Survivability,
    Tenant,
)
from scheduler.store import Store
from tests.builders import NOW, deployment, model, shape

MINUTE = timedelta(minutes=1)


async def test_everything_declared_comes_back_as_it_went_in(store: Store) -> None:
    rules = PlacementRules(
        jurisdictions=("EU",),
        survivability=Survivability(FailureDomain.REGION, 0.5),
        spread=Spread(FailureDomain.ZONE, 0.5),
        spot_ceiling=0.3,
    )
    demand = (Demand("fra", 120.5, "long", ("DE", "FR")), Demand("par", 1e9))
    rich = deployment(
        rules=rules, demand=demand, adapters=(Adapter("law", "hub:law"),), price_book=PriceBook(1, 2), budget_micro_usd_per_h=5
    )
    declared = Workload(
        deployments=(rich,),
        models=(model(),),
        shapes=(shape(),),
        aliases=(ModelAlias("gpt", (AliasTarget("d", 0.5),)),),
        endpoints=(ExternalEndpoint("e", "m", "https://example.com", "US", PriceBook(3, 4), 10.0),),
        tenants=(Tenant("t", "Tenant"),),
    )
    await store.workload.put(declared)
    assert await store.workload.workload() == declared


async def test_a_deployment_gets_a_new_generation_only_when_what_its_replicas_run_changes(store: Store) -> None:
    for given, generation in [
        (deployment(generation=7), 1),
        (deployment(generation=9), 1),
        (deployment(min_replicas=2), 1),
        (deployment(engine_args=("--enforce-eager",)), 2),
        (deployment(engine_args=("--enforce-eager",)), 2),
        (deployment(), 3),
    ]:
        await store.workload.put(Workload(deployments=(given,)))
        (kept,) = (await store.workload.workload()).deployments
        assert kept == replace(given, generation=generation)


async def test_what_is_not_mentioned_stays(store: Store) -> None:
    await store.workload.put(Workload(deployments=(deployment("a"),), models=(model(),)))
    await store.workload.put(Workload(deployments=(deployment("b"),)))
    workload = await store.workload.workload()
    assert ([found.id for found in workload.deployments], len(workload.models)) == (["a", "b"], 1)
    await store.workload.delete_deployment("a")
    assert [found.id for found in (await store.workload.workload()).deployments] == ["b"]
    with pytest.raises(NoSuchError, match="no such deployment: 'a'"):
        await store.workload.delete_deployment("a")


async def test_tokens_of_the_same_minute_add_up(store: Store) -> None:
    row = TokenUsage(NOW, "t", "d", "r", requests=1, failures=0, input_tokens=10, output_tokens=20)
    await store.usage.add_tokens([row, row, replace(row, replica="r2")])
    await store.usage.add_tokens([row])
    await store.usage.add_tokens([])
    doubled = replace(row, requests=3, input_tokens=30, output_tokens=60)
    assert await store.usage.tokens(NOW, NOW + MINUTE) == [doubled, replace(row, replica="r2")]
    assert await store.usage.tokens(NOW - MINUTE, NOW) == []


async def test_node_seconds_of_the_same_minute_are_replaced(store: Store) -> None:
    row = NodeUsage(NOW, "n", "d", "serving", 30.0, 500)
    await store.usage.put_nodes([row, replace(row, deployment="", phase="idle")])
    await store.usage.put_nodes([replace(row, seconds=60.0, cost_micro_usd=1000)])
    assert await store.usage.nodes(NOW, NOW + MINUTE) == [
        replace(row, deployment="", phase="idle"),
        replace(row, seconds=60.0, cost_micro_usd=1000),
    ]
    with pytest.raises(ConflictError, match="phase_known"):
        await store.usage.put_nodes([replace(row, phase="dreaming")])


async def test_a_key_is_found_by_its_hash_and_revoked_once(store: Store) -> None:
    key = ApiKey("k1", "operator", "", "ab" * 32, NOW)
    await store.keys.put_key(key)
    await store.keys.put_key(ApiKey("k2", "agent", "aws-us-east-1", "cd" * 32, NOW + MINUTE))
    assert await store.keys.find_key("ab" * 32) == key
    assert await store.keys.find_key("00" * 32) is None
    assert [found.id for found in await store.keys.keys()] == ["k1", "k2"]
    await store.keys.revoke("k1", NOW + MINUTE)
    await store.keys.revoke("k1", NOW + 2 * MINUTE)
    assert await store.keys.find_key("ab" * 32) == replace(key, revoked_at=NOW + MINUTE)
    with pytest.raises(NoSuchError):
        await store.keys.revoke("k9", NOW)
    with pytest.raises(ConflictError, match="sha256"):
        await store.keys.put_key(replace(key, id="k3"))
