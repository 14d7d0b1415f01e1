"""What the API does: declare, preview, apply, explain, close clusters, count money; and how it says no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from scheduler.api.placement_document import problem_of
from scheduler.domain.lifecycle import ClusterState, PlanState, Schedulability
from scheduler.domain.stores import Workload
from scheduler.domain.usage import NodeUsage, TokenUsage
from scheduler.domain.workload import PriceBook
from scheduler.optimizer import check, solve
from tests.builders import NOW, deployment
from tests.integration.api.conftest import Door

GOOD: dict[str, Any] = {"id": "new", "model": "m", "demand": [{"origin": "us", "tokens_per_s": 50}]}
BIG = {"id": "big", "source": "hub:big", "parameters_b": 400}


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"deployments": [{**GOOD, "replcas": 3}]}, "deployments[0].replcas", "unknown field"),
        ({"deployments": [{**GOOD, "max_replica": 3}]}, "deployments[0].max_replica", "Did you mean max_replicas?"),
        ({"deployments": [{**GOOD, "rules": {"accelerators": ["H100"]}}]}, "deployments[0].rules.accelerators", "H100-80GB-SXM"),
        ({"deployments": [{**GOOD, "rules": {"regions": ["mars-1"]}}]}, "deployments[0].rules.regions", "unknown region"),
        ({"deployments": [{**GOOD, "rules": {"providers": ["aws", "acme"]}}]}, "deployments[0].rules.providers", "Known: aws, gcp"),
        ({"deployments": [{**GOOD, "min_replicas": 5, "max_replicas": 2}]}, "deployments[0]", "lower min_replicas"),
        (
            {"deployments": [{**GOOD, "rules": {"capacity_types": ["spot"], "spot_ceiling": 0.2}}]},
            "deployments[0].rules",
            "allow on-demand",
        ),
        ({"deployments": [{**GOOD, "model": "nope"}]}, "deployments[0].model", "Declare it under models"),
        ({"models": [BIG], "deployments": [{**GOOD, "model": "big", "slo": {"tpot_ms": 1}}]}, "deployments[0].slo.tpot_ms", "at least"),
        ({"deployments": [{**GOOD, "demand": [{"origin": "us", "tokens_per_s": -1}]}]}, "deployments[0].demand[0].tokens_per_s", "greater"),
        ({"deployments": [{**GOOD, "price": {"input_usd_per_mtok": 1}}]}, "deployments[0].price.output_usd_per_mtok", "missing"),
        ({"clusters": [{"id": "c", "provider": "aws", "region": "mars-1"}]}, "clusters[0].region", "us-east-1"),
        ({"aliases": [{"name": "a", "targets": [{"deployment": "nope"}]}]}, "aliases[0].targets[0].deployment", "Known: chat"),
        ({"deployments": [GOOD, GOOD]}, "deployments", "declared twice"),
    ],
)
async def test_a_wrong_fleet_file_names_field_and_remedy_and_changes_nothing(
    door: Door, api: httpx2.AsyncClient, change: dict[str, Any], field: str, says: str
) -> None:
    before = await door.store.workload.workload()
    answer = await api.put("/v1/fleet", json=change)
    assert answer.status_code == 422, answer.text
    errors = {each["field"]: f"{each['problem']} {each['remedy']}" for each in answer.json()["errors"]}
    assert says in errors[field]
    assert await door.store.workload.workload() == before


async def test_a_declared_fleet_is_what_was_sent(api: httpx2.AsyncClient) -> None:
    sent = {"deployments": [{**GOOD, "price": {"input_usd_per_mtok": 0.1, "output_usd_per_mtok": 0.4}, "budget_usd_per_h": 2.5}]}
    assert (await api.put("/v1/fleet", json=sent)).status_code == 200
    stored = (await api.get("/v1/deployments/new")).json()
    assert (stored["price_book"]["output_micro_usd_per_mtok"], stored["budget_micro_usd_per_h"]) == (400_000, 2_500_000)


async def test_a_preview_of_a_document_shows_cost_and_stores_nothing(door: Door, api: httpx2.AsyncClient) -> None:
    told = (await api.post("/v1/plans/preview", json={"deployments": [GOOD]})).json()
    assert (told["stored"], told["violations"], told["conflicts"]) == (False, [], [])
    assert told["usd_per_month_after"] == pytest.approx(0.5 * 730 * 2)
    assert not await door.store.plans.plans(5)
    assert (await api.get("/v1/deployments/new")).status_code == 404


async def test_a_what_if_stands_beside_the_present_world_and_stores_nothing(door: Door, api: httpx2.AsyncClient) -> None:
    told = (await api.post("/v1/plans/preview", json={"what_if": ["lose provider:aws"]})).json()
    answer = told["what_if"]
    assert (told["stored"], told["violations"], told["conflicts"]) == (False, [], [])
    assert answer["text"].startswith("lose provider:aws: costs $0.2")
    assert answer["cost_after_micro_usd_per_h"] > answer["cost_before_micro_usd_per_h"]
    assert [(each["cluster"], each["before"], each["after"]) for each in answer["shifts"]] == [
        ("aws-us-east-1", 1, 0),
        ("gcp-europe-west4", 0, 1),
    ]
    assert not await door.store.plans.plans(5)
    assert {each.state for each in (await door.store.fleet.fleet()).clusters} == {ClusterState.READY}
    async with door.client(peer="10.0.0.9", host="headrace.example", key=await door.key("viewer")) as viewer:
        asked = {"deployments": [GOOD], "what_if": ["lose provider:aws", "lose provider:gcp"]}
        lost = (await viewer.post("/v1/plans/preview", json=asked)).json()
    assert "these deployments cannot be met: chat, new" in lost["what_if"]["text"]
    assert [text.split(":")[0] for text in lost["conflicts"]] == ["chat", "new"]
    assert (await api.get("/v1/deployments/new")).status_code == 404


async def test_a_what_if_that_names_nothing_is_refused_with_what_was_meant(api: httpx2.AsyncClient) -> None:
    told = await api.post("/v1/plans/preview", json={"what_if": ["demand * x2", "lose cluster:aws-us-east-2"]})
    error = told.json()["errors"][0]
    assert (told.status_code, error["field"], error["value"]) == (422, "what_if[1]", "lose cluster:aws-us-east-2")
    assert error["remedy"] == "Did you mean aws-us-east-1?"
    assert (await api.post("/v1/plans/preview", json={"whatif": []})).json()["errors"][0]["remedy"] == "Did you mean what_if?"


async def test_a_preview_can_be_applied_once_and_then_no_more(door: Door, api: httpx2.AsyncClient) -> None:
    told = (await api.post("/v1/plans/preview")).json()
    assert told["stored"]
    plan = told["plan"]["id"]
    assert (await api.post(f"/v1/plans/{plan}/apply")).json()["state"] == "applying"
    assert (await door.store.fleet.fleet()).plan is not None
    again = await api.post(f"/v1/plans/{plan}/apply")
    assert (again.status_code, "only a proposed plan" in again.json()["detail"]) == (409, True)


async def test_a_rejected_plan_stays_rejected(door: Door, api: httpx2.AsyncClient) -> None:
    plan = (await api.post("/v1/plans/preview")).json()["plan"]["id"]
    assert (await api.post(f"/v1/plans/{plan}/reject")).json()["state"] == "rejected"
    assert (await door.store.plans.plan(plan)).state is PlanState.REJECTED


async def test_an_infeasible_fleet_says_which_rules_conflict_and_what_resolves_them(api: httpx2.AsyncClient) -> None:
    rules = {"providers": ["aws"], "survivability": {"domain": "provider", "share": 1.0}}
    told = (await api.post("/v1/plans/preview", json={"deployments": [{**GOOD, "rules": rules}]})).json()
    assert "providers aws" in told["conflicts"][0]
    assert "survivability" in told["conflicts"][0]
    assert any("without providers" in remedy and "$" in remedy for remedy in told["remedies"])


async def test_a_plan_with_unmet_demand_is_applied_only_by_force(door: Door, api: httpx2.AsyncClient) -> None:
    await door.store.workload.put(Workload(deployments=(deployment("chat", 100_000, max_replicas=2),)))
    plan = (await api.post("/v1/plans/preview")).json()["plan"]["id"]
    refused = await api.post(f"/v1/plans/{plan}/apply")
    assert (refused.status_code, refused.json()["title"]) == (409, "Infeasible")
    assert (await api.post(f"/v1/plans/{plan}/apply", params={"force": True})).status_code == 200


async def test_explain_gives_every_offer_a_verdict_with_numbers(api: httpx2.AsyncClient) -> None:
    told = (await api.get("/v1/explain", params={"deployment": "chat"})).json()
    verdicts = {reason["offer_id"].split("/")[0]: (reason["verdict"], reason["would_change"]) for reason in told["reasons"]}
    assert verdicts["aws"][0] == "chosen"
    assert verdicts["gcp"][0] == "rejected"
    assert "$0.5" in verdicts["gcp"][1]
    assert told["gap"] == 0


async def test_cordon_drain_and_uncordon_are_stored_and_told(door: Door, api: httpx2.AsyncClient) -> None:
    for verb, value in (("cordon", Schedulability.CORDONED), ("drain", Schedulability.DRAINING), ("uncordon", Schedulability.OPEN)):
        assert (await api.post(f"/v1/clusters/aws-us-east-1/{verb}")).json()["schedulability"] == value.value
    missing = await api.post("/v1/clusters/nope/drain")
    assert (missing.status_code, missing.json()["detail"]) == (404, "no such cluster: 'nope'")
    kinds = [event["kind"] for event in (await api.get("/v1/events")).json()]
    assert kinds[:3] == ["cluster_opened", "cluster_draining", "cluster_cordoned"]


async def test_scaling_keeps_its_bounds_in_order_and_deleting_forgets(api: httpx2.AsyncClient) -> None:
    refused = await api.post("/v1/deployments/chat/scale", json={"min_replicas": 5, "max_replicas": 2})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "min_replicas")
    scaled = (await api.post("/v1/deployments/chat/scale", json={"min_replicas": 2, "max_replicas": 5})).json()
    assert (scaled["min_replicas"], scaled["max_replicas"], scaled["generation"]) == (2, 5, 1)
    assert (await api.delete("/v1/deployments/chat")).status_code == 204
    assert (await api.get("/v1/deployments/chat")).status_code == 404


async def test_offers_are_filtered_sorted_and_paged(api: httpx2.AsyncClient) -> None:
    page = (await api.get("/v1/offers", params={"sort": "price", "descending": True, "limit": 1})).json()
    assert (page["total"], page["offers"][0]["provider"], page["offers"][0]["usd_per_h"]) == (2, "gcp", 0.7)
    assert (await api.get("/v1/offers", params={"provider": "aws"})).json()["total"] == 1
    assert (await api.get("/v1/offers", params={"sort": "beauty"})).status_code == 422


@pytest.mark.parametrize(
    "sort", ["price", "gpu_price", "provider", "region", "zone", "accelerator", "type", "capacity", "availability", "observed"]
)
async def test_every_documented_sort_order_works(api: httpx2.AsyncClient, sort: str) -> None:
    assert (await api.get("/v1/offers", params={"sort": sort})).status_code == 200


async def test_margin_is_revenue_minus_all_cost_to_the_micro_dollar(door: Door, api: httpx2.AsyncClient) -> None:
    priced = deployment("chat", price_book=PriceBook(1_000_000, 2_000_000))
    await door.store.workload.put(Workload(deployments=(priced,)))
    minute = NOW - timedelta(minutes=5)
    await door.store.usage.add_tokens([TokenUsage(minute, "default", "chat", "r1", 3, 1, 1_000_000, 500_000)])
    await door.store.usage.put_nodes(
        [NodeUsage(minute, "n1", "chat", "serving", 30, 300_000), NodeUsage(minute, "n1", "", "idle", 30, 100_000)]
    )
    (row,) = (await api.get("/v1/margin", params={"hours": 1})).json()
    assert (row["revenue_micro_usd"], row["cost_micro_usd"], row["margin"]) == (2_000_000, 400_000, 0.8)
    assert row["cost_usd_by_phase"] == {"idle": 0.1, "serving": 0.3}


async def test_readiness_and_metrics(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/readyz")).json() == {"status": "ready"}
    assert "headrace_fleet_usd_per_hour 0.0" in (await api.get("/metrics")).text


async def test_no_input_of_the_right_form_makes_the_api_fail(door: Door) -> None:
    """Random calls by the API's own description: whatever comes back, it is never a server error."""
    schema = schemathesis.openapi.from_dict(await _openapi(door))
    called = 0
    async with door.client() as client:
        for result in schema.get_all_operations():
            operation = result.ok()
            if "stream" in operation.path:
                continue
            for case in _cases(operation):
                call = case.as_transport_kwargs(base_url="http://127.0.0.1")
                answer = await client.request(
                    call["method"], call["url"], params=call.get("params"), json=call.get("json"), headers={"accept": "application/json"}
                )
                called += 1
                assert answer.status_code < 500, f"{operation.method} {call['url']} {call.get('json')}: {answer.text[:300]}"
    assert called > 60


async def _openapi(door: Door) -> dict[str, Any]:
    async with door.client() as client:
        found: dict[str, Any] = (await client.get("/openapi.json")).json()
        return found


def _cases(operation: Any) -> list[Any]:
    from hypothesis import given

    found: list[Any] = []

    @given(case=operation.as_strategy())
    @settings(max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def collect(case: Any) -> None:
        found.append(case)

    collect()
    return found[:3]


async def test_the_fleet_is_a_problem_document_that_can_be_solved_elsewhere(api: httpx2.AsyncClient) -> None:
    problem = problem_of((await api.get("/v1/problem")).text)
    assert {each.id for each in problem.snapshot.deployments} == {"chat"}
    assert len(problem.snapshot.clusters) == 2
    assert not check(problem.snapshot, solve(problem.snapshot))


async def test_one_deployment_is_placed_at_once_and_nothing_is_stored(door: Door, api: httpx2.AsyncClient) -> None:
    before = await door.store.workload.workload()
    answer = await api.post("/v1/placements", json=GOOD)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["deployment"], told["unserved_share"], told["declared"]) == ("new", 0, False)
    assert told["spots"][0]["offer_id"].startswith("aws/")
    assert told["added_usd_per_h"] >= 0.5
    assert await door.store.workload.workload() == before


async def test_what_is_placed_with_apply_is_declared(door: Door, api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/placements", params={"apply": True}, json=GOOD)
    assert answer.json()["declared"] is True
    assert "new" in {each.id for each in (await door.store.workload.workload()).deployments}


@pytest.mark.parametrize(
    ("change", "field"),
    [({"model": "nope"}, "deployments[0].model"), ({"rules": {"clusters": ["nowhere"]}}, "deployments[0].rules.clusters")],
)
async def test_a_placement_that_cannot_be_names_the_field(api: httpx2.AsyncClient, change: dict[str, Any], field: str) -> None:
    answer = await api.post("/v1/placements", json={**GOOD, **change})
    assert answer.status_code == 422
    assert field in {each["field"] for each in answer.json()["errors"]}


async def test_a_demand_without_room_says_which_share_is_left(api: httpx2.AsyncClient) -> None:
    told = (await api.post("/v1/placements", json={**GOOD, "rules": {"capacity_types": ["spot"]}})).json()
    assert told["unserved_share"] == 1
    assert told["spots"] == []
