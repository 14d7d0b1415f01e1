"""What clients may rely on at the front door: routing, errors they can read, and no request lost or repeated."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from scheduler.domain.routing import EdgeConfig, EdgeRoute
from tests.integration.envoy.engines import engines
from tests.integration.envoy.front import Front, backend, config, front_door, running


async def test_the_model_in_the_body_chooses_the_deployment(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second):
        wanted = EdgeConfig(
            routes=(EdgeRoute("small", (("small", 100),)), EdgeRoute("large", (("large", 100),))),
            backends=(backend("small", first), backend("large", second)),
        )
        async with front_door(tmp_path, wanted) as front:
            assert content(await front.chat("small")) == "a"
            assert content(await front.chat("large")) == "b"


async def test_the_model_header_chooses_too_and_the_body_is_passed_on(tmp_path: Path) -> None:
    async with engines("a") as (engine,), front_door(tmp_path, config(engine)) as front:
        answer = await front.client.post("/v1/chat/completions", headers={"x-headrace-model": "chat"}, json={"model": "whatever", "n": 1})
        assert content(answer) == "a"
        assert engine.seen == [{"model": "whatever", "n": 1}]


async def test_a_body_of_many_megabytes_is_routed_and_one_past_the_limit_is_refused_readably(tmp_path: Path) -> None:
    async with engines("a") as (engine,), front_door(tmp_path, config(engine)) as front:
        assert (await front.chat(prompt="x" * 8_000_000)).status_code == 200
        refused = await front.chat(prompt="x" * 34_000_000)
        assert refused.status_code == 413
        assert refused.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [({"model": "nobody"}, 404, "model_not_found"), ({"messages": []}, 400, "model_missing")],
)
async def test_a_wrong_model_is_refused_in_the_shape_of_openai(tmp_path: Path, body: dict[str, object], status: int, code: str) -> None:
    async with engines("a") as (engine,), front_door(tmp_path, config(engine)) as front:
        answer = await front.client.post("/v1/chat/completions", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/json"
        assert engine.seen == []


async def test_without_a_ready_replica_the_client_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with front_door(tmp_path, config()) as front:
        answer = await front.chat()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_ready_replica")
        assert int(answer.headers["retry-after"]) > 0


async def test_the_models_are_listed(tmp_path: Path) -> None:
    async with engines("a") as (engine,), front_door(tmp_path, config(engine)) as front:
        listed = (await front.client.get("/v1/models")).json()
        assert (listed["object"], [model["id"] for model in listed["data"]]) == ("list", ["chat"])


async def test_an_alias_splits_requests_by_weight(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second):
        wanted = EdgeConfig(
            routes=(EdgeRoute("either", (("small", 80), ("large", 20))),), backends=(backend("small", first), backend("large", second))
        )
        async with front_door(tmp_path, wanted) as front:
            await asyncio.gather(*(front.chat("either") for _ in range(200)))
            assert len(first.seen) + len(second.seen) == 200
            assert 130 <= len(first.seen) <= 185


async def test_localities_share_by_weight(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second), front_door(tmp_path, config(first, second, weights={"a": 90, "b": 10})) as front:
        await asyncio.gather(*(front.chat() for _ in range(200)))
        assert 150 <= len(first.seen) <= 195


async def test_draining_keeps_the_streams_in_flight_and_takes_no_new_request(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second):
        first.pause_s, first.events = 0.1, 30
        async with front_door(tmp_path, config(first)) as front:
            stream = asyncio.create_task(front.chat(stream=True))
            await until(lambda: len(first.seen) == 1)
            assert (await front.stats.in_flight())[first.address] == 1
            await front.publish(config(first, second))
            await front.publish(config(first, second, draining=("a",)))
            answers = await asyncio.gather(*(front.chat() for _ in range(10)))
            assert {content(answer) for answer in answers} == {"b"}
            await front.publish(config(second))
            answer = await stream
            assert answer.text.count("content") == 30
            assert answer.text.rstrip().endswith("[DONE]")


async def test_endpoints_change_under_load_without_one_error(tmp_path: Path) -> None:
    async with engines("a", "b", "c") as (first, second, third):
        for engine in (first, second, third):
            engine.pause_s, engine.events = 0.01, 5
        async with front_door(tmp_path, config(first)) as front:
            load = asyncio.create_task(constant_load(front, requests=400))
            for step in (config(first, second), config(first, second, draining=("a",)), config(second, third), config(third)):
                await front.publish(step)
            results = await load
            assert [result.status_code for result in results if result.status_code != 200] == []
            assert all(result.text.rstrip().endswith("[DONE]") for result in results)


async def test_a_dead_engine_costs_no_request(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second), front_door(tmp_path, config(first, second)) as front:
        await front.chat()
        await first.die()
        answers = await asyncio.gather(*(front.chat() for _ in range(60)))
        assert {answer.status_code for answer in answers} == {200}
        assert {content(answer) for answer in answers} == {"b"}


async def test_an_overloaded_engine_is_passed_over_once(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second), front_door(tmp_path, config(first, second)) as front:
        first.status = 503
        answers = [await front.chat() for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}


async def test_an_unhealthy_engine_gets_no_more_requests(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second), front_door(tmp_path, config(first, second)) as front:
        first.healthy = False
        await front.until_applied(config(second))
        before = len(first.seen)
        await asyncio.gather(*(front.chat() for _ in range(20)))
        assert (len(first.seen), len(second.seen) >= 20) == (before, True)


async def test_a_stream_that_began_is_never_repeated(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second):
        for engine in (first, second):
            engine.events, engine.break_after, engine.pause_s = 10, 2, 0.02
        async with front_door(tmp_path, config(first, second)) as front:
            with pytest.raises(httpx2.HTTPError):
                await front.chat(stream=True)
            assert len(first.seen) + len(second.seen) == 1


async def test_the_edge_starts_and_serves_while_nobody_controls_it(tmp_path: Path) -> None:
    """With control plane and database gone, even a restarted Envoy serves from the files that were published last."""
    async with engines("a") as (engine,):
        async with front_door(tmp_path, config(engine)) as before:
            assert await before.publisher.publish(config(engine)) is False
        alone = Front(before.door)
        async with running(alone, tmp_path):
            await until_served(alone)
            assert content(await alone.chat()) == "a"


async def until_served(front: Front) -> None:
    """An engine is in use once Envoy has seen it healthy."""
    async with asyncio.timeout(10):
        while (await front.chat()).status_code != 200:
            await asyncio.sleep(0.05)


def content(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(json.loads(answer.text)["choices"][0]["message"]["content"])


async def constant_load(front: Front, requests: int, at_once: int = 8) -> list[httpx2.Response]:
    gate = asyncio.Semaphore(at_once)

    async def one() -> httpx2.Response:
        async with gate:
            return await front.chat(stream=True)

    return list(await asyncio.gather(*(one() for _ in range(requests))))


async def until(holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
