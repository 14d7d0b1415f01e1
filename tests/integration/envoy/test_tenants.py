"""Keys, limits and classes at the front door, with no control plane running: Envoy alone decides."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler.domain.routing import EdgeConfig, EdgeKeys, EdgeLimit
from scheduler.edge.metering import parse_line
from scheduler.edge.signing import VALID_FOR, KeySigner, load_signer
from tests.integration.envoy.engines import engines
from tests.integration.envoy.front import config, front_door

NOW = datetime.now(tz=UTC)  # noqa: TID251 (Envoy compares with the real clock)


@pytest.fixture
def signer(tmp_path: Path) -> KeySigner:
    return load_signer(tmp_path / "client-keys.pem")


def guarded(base: EdgeConfig, signer: KeySigner, *revoked: str, limits: tuple[EdgeLimit, ...] = ()) -> EdgeConfig:
    return replace(base, keys=EdgeKeys(signer.jwks, revoked), limits=limits)


async def test_only_a_signed_current_unrevoked_key_comes_in_and_its_tenant_is_logged(tmp_path: Path, signer: KeySigner) -> None:
    good, revoked = signer.sign("k-1", "acme", NOW), signer.sign("k-2", "acme", NOW)
    stranger = load_signer(tmp_path / "other.pem").sign("k-1", "acme", NOW)
    old = signer.sign("k-3", "acme", NOW - VALID_FOR - timedelta(hours=1))
    async with engines("a") as (engine,), front_door(tmp_path, guarded(config(engine), signer, "k-2"), key=good) as front:
        assert (await front.chat()).status_code == 200
        for wrong in ("", revoked, stranger, old, "hr_nonsense"):
            for path in ("/v1/chat/completions", "/v1/models"):
                answer = await front.client.post(path, headers={"authorization": f"Bearer {wrong}".strip()}, json={"model": "chat"})
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key"), wrong
        assert len(engine.seen) == 1
        async with asyncio.timeout(20):
            while '"tenant":"acme"' not in front.door.access_log.read_text():
                await asyncio.sleep(0.1)
        lines = front.door.access_log.read_bytes().splitlines()
        assert [metered.tenant for line in lines if (metered := parse_line(line))] == ["acme"]
        assert good not in front.door.access_log.read_text()


async def test_a_key_is_refused_soon_after_it_is_revoked(tmp_path: Path, signer: KeySigner) -> None:
    key = signer.sign("k-1", "acme", NOW)
    async with engines("a") as (engine,), front_door(tmp_path, guarded(config(engine), signer), key=key) as front:
        assert (await front.chat()).status_code == 200
        await front.publisher.publish(guarded(config(engine), signer, "k-1"))
        async with asyncio.timeout(20):
            while (await front.chat()).status_code != 401:
                await asyncio.sleep(0.05)


async def test_a_tenant_past_its_rate_is_told_to_slow_down_and_others_are_not(tmp_path: Path, signer: KeySigner) -> None:
    limit = EdgeLimit("acme", requests_per_s=1, burst=8)
    other = signer.sign("k-2", "other", NOW)
    wanted = guarded(config(), signer, limits=(limit,))
    async with front_door(tmp_path, wanted, key=signer.sign("k-1", "acme", NOW)) as front:
        answers = await asyncio.gather(*(front.client.get("/v1/models") for _ in range(40)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 20 <= len(refused) < 40
        assert refused[0].json()["error"]["code"] == "rate_limit_exceeded"
        assert int(refused[0].headers["retry-after"]) > 0
        free = await asyncio.gather(*(front.client.get("/v1/models", headers={"authorization": f"Bearer {other}"}) for _ in range(40)))
        assert {answer.status_code for answer in free} == {200}


async def test_overload_is_a_429_in_openais_shape_and_ejects_nobody(tmp_path: Path) -> None:
    async with engines("a") as (engine,):
        engine.pause_s = 1.0
        small = config(engine)
        small = replace(small, backends=(replace(small.backends[0], max_requests_per_endpoint=2),))
        async with front_door(tmp_path, small) as front:
            answers = await asyncio.gather(*(front.chat() for _ in range(30)))
            refused = [answer for answer in answers if answer.status_code != 200]
            assert {answer.status_code for answer in refused} == {429}
            assert {answer.json()["error"]["code"] for answer in refused} == {"overloaded"}
            assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
            assert (await front.chat()).status_code == 200
            assert engine.address in (await front.stats.look()).healthy


async def test_batch_requests_leave_room_for_interactive_ones(tmp_path: Path) -> None:
    async with engines("a") as (engine,):
        engine.pause_s = 3.0
        small = config(engine)
        small = replace(small, backends=(replace(small.backends[0], max_requests_per_endpoint=16),))
        async with front_door(tmp_path, small) as front:
            batch = [asyncio.create_task(front.client.post("/v1/x", json={"model": "chat"}, headers=BATCH)) for _ in range(40)]
            async with asyncio.timeout(20):
                while not any(task.done() for task in batch):
                    await asyncio.sleep(0.01)
            assert len(engine.seen) <= 10
            engine.pause_s = 0.0
            assert (await front.chat()).status_code == 200
            assert sum(not task.done() for task in batch) >= 8
            await asyncio.gather(*batch)


@pytest.mark.parametrize("path", ["/m/chat/v1/chat/completions", "/m/chat/v1/chat/completions?x=1"])
async def test_the_path_may_name_the_model_and_is_rewritten(tmp_path: Path, path: str) -> None:
    async with engines("a") as (engine,), front_door(tmp_path, config(engine)) as front:
        answer = await front.client.post(path, json={"any": 1})
        assert json.loads(answer.text)["choices"][0]["message"]["content"] == "a"
        unknown = await front.client.post("/m/nobody/v1/chat/completions", json={"model": "chat"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


BATCH = {"x-headrace-class": "batch"}
