"""Who gets in: the local person, keys by role, cluster tokens; and nobody by way of a web page."""

from __future__ import annotations

import httpx2
import pytest

from scheduler.api.services import ApiSettings
from scheduler.domain.agentstate import ObservedState
from scheduler.domain.events import EventKind, Notice
from scheduler.runtime.protocol import NOTICE, OBSERVED
from tests.builders import NOW
from tests.integration.api.conftest import Door


async def test_the_local_person_needs_no_key(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/v1/clusters")).status_code == 200


async def test_another_machine_needs_one(door: Door) -> None:
    async with door.client(peer="10.0.0.9") as client:
        refused = await client.get("/v1/clusters")
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
        assert "headrace keys create" in refused.json()["detail"]


async def test_a_foreign_host_name_is_refused_so_that_dns_rebinding_gains_nothing(door: Door) -> None:
    async with door.client(host="evil.example") as client:
        assert (await client.get("/v1/clusters")).status_code == 401


async def test_a_page_of_another_origin_cannot_drive_the_api(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/clusters/aws-us-east-1/drain", headers={"origin": "https://evil.example"})
    assert answer.status_code == 401


async def test_keys_can_be_asked_for_on_loopback_too(door: Door) -> None:
    strict = Door(door.store, ApiSettings(open_on_loopback=False))
    async with strict.client() as client:
        assert (await client.get("/v1/clusters")).status_code == 401
    async with strict.client(key=await door.key("viewer")) as client:
        assert (await client.get("/v1/clusters")).status_code == 200


async def test_a_viewer_reads_and_an_operator_changes(door: Door) -> None:
    async with door.client(peer="10.0.0.9", key=await door.key("viewer")) as viewer:
        assert (await viewer.get("/v1/offers")).status_code == 200
        assert (await viewer.post("/v1/clusters/aws-us-east-1/cordon")).status_code == 403
    async with door.client(peer="10.0.0.9", key=await door.key("operator")) as operator:
        assert (await operator.post("/v1/clusters/aws-us-east-1/cordon")).status_code == 200


async def test_a_key_is_stored_as_a_hash_and_can_be_revoked(door: Door, api: httpx2.AsyncClient) -> None:
    made = (await api.post("/v1/keys", json={"role": "viewer"})).json()
    assert all(made["secret"] not in repr(key) for key in await door.store.keys.keys())
    assert (await api.delete(f"/v1/keys/{made['key']['id']}")).status_code == 204
    async with door.client(peer="10.0.0.9", key=made["secret"]) as client:
        assert (await client.get("/v1/clusters")).status_code == 401


def observed(cluster: str) -> bytes:
    return OBSERVED.dump_json(ObservedState(cluster, 0, 0, NOW))


@pytest.mark.parametrize(
    ("role", "subject", "status"),
    [("agent", "aws-us-east-1", 200), ("agent", "gcp-europe-west4", 403), ("node", "aws-us-east-1", 403), ("operator", "", 403)],
)
async def test_only_the_clusters_own_agent_may_report_for_it(door: Door, role: str, subject: str, status: int) -> None:
    async with door.client(key=await door.key(role, subject)) as client:
        answer = await client.post("/agent/v1/clusters/aws-us-east-1/observed", content=observed("aws-us-east-1"))
        assert answer.status_code == status


async def test_an_agent_always_needs_its_token_also_on_loopback(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/agent/v1/clusters/aws-us-east-1/observed", content=observed("aws-us-east-1"))
    assert answer.status_code == 401


async def test_a_node_may_pass_notices_on_and_nothing_else(door: Door) -> None:
    notice = Notice("n1", EventKind.INTERRUPTION_NOTICE, NOW, "spot", NOW)
    async with door.client(key=await door.key("node", "aws-us-east-1")) as client:
        assert (await client.post("/agent/v1/clusters/aws-us-east-1/notices", content=NOTICE.dump_json(notice))).status_code == 204
        assert (await client.get("/agent/v1/clusters/aws-us-east-1/desired", params={"wait_s": 0})).status_code == 403
        assert (await client.get("/v1/clusters")).status_code == 403
    assert [each.node for each in await door.store.agents.open_notices()] == ["n1"]


async def test_a_report_that_cannot_be_read_is_a_problem_that_names_the_field(door: Door) -> None:
    async with door.client(key=await door.key("agent", "aws-us-east-1")) as client:
        answer = await client.post("/agent/v1/clusters/aws-us-east-1/observed", content=b'{"cluster": 7}')
        assert answer.status_code == 422
        assert "applied_epoch" in {each["field"] for each in answer.json()["errors"]}


async def test_every_answer_forbids_framing_and_foreign_scripts(api: httpx2.AsyncClient) -> None:
    headers = (await api.get("/healthz")).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
