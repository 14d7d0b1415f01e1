"""What clients of a relayed deployment may rely on, before a real Envoy, a real relay and engines that are processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from scheduler.domain.usage import TokenUsage
from scheduler.domain.workload import Resume, StreamPolicy
from scheduler.edge.metering import AccessLogFollower, usage_rows
from scheduler.relay.ask import RelayWaiting
from simulations.chaos.load import Client, Stream, summary
from simulations.chaos.stage import DEPLOYMENT, RESUMED, Stage, stage

SLOW = ("--rate", "20")


def client(raised: Stage) -> Client:
    return Client(raised.http, [edge.url for edge in raised.edges])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while not await holds():
            await asyncio.sleep(0.02)


def streaming(them: Client, count: int, words: int = 3) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return sum(len(stream.text) >= words for stream in them.streams) >= count

    return holds


async def test_streams_of_a_killed_replica_are_continued_word_by_word_and_metered_once(tmp_path: Path) -> None:
    async with stage(tmp_path, [SLOW] * 2) as raised:
        them = client(raised)
        tasks = [asyncio.create_task(them.stream(30)) for _ in range(8)]
        await until(streaming(them, 8))
        raised.engines[0].process.kill()
        await asyncio.gather(*tasks)
        assert summary(them.streams)["failed"] == 0, summary(them.streams)
        assert await raised.counted("headrace_relay_resumed_total") >= 1
        rows = await metered(tmp_path, 8)
    assert sum(row.output_tokens for row in rows) == 8 * 30
    assert ({row.deployment for row in rows}, sum(row.requests for row in rows)) == ({DEPLOYMENT}, 8)
    assert {row.replica for row in rows} <= {"e0", "e1"}


async def metered(folder: Path, requests: int) -> list[TokenUsage]:
    follower = AccessLogFollower(folder / "access0.log", folder / "position")
    async with asyncio.timeout(90):
        while len(found := follower.read()) < requests:
            await asyncio.sleep(0.05)
    return usage_rows(found, {})


async def test_streams_of_a_hung_replica_are_continued_and_sampled_ones_break_as_without_a_relay(tmp_path: Path) -> None:
    async with stage(tmp_path, [SLOW] * 2) as raised:
        them = client(raised)
        greedy = [asyncio.create_task(them.stream(30)) for _ in range(6)]
        sampled = [asyncio.create_task(them.stream(30, temperature=1)) for _ in range(6)]
        await until(streaming(them, 12))
        raised.engines[0].process.send(signal.SIGSTOP)
        first, second = await asyncio.gather(*greedy), await asyncio.gather(*sampled)
        assert summary(first)["failed"] == 0, summary(first)
        broken = [stream for stream in second if not stream.ok]
        assert all(stream.error and not stream.wrong for stream in broken)
        assert await raised.counted("headrace_relay_cut_total") == len(broken)


async def test_before_the_first_token_any_request_is_sent_again_and_none_is_hurried(tmp_path: Path) -> None:
    """The silence that the policy allows is shorter than the time to the first token here."""
    async with stage(tmp_path, [("--first-token", "1.5", "--rate", "50")] * 2, policy=replace(RESUMED, silence_s=0.5)) as raised:
        them = client(raised)
        tasks = [asyncio.create_task(them.stream(10, temperature=1, tools=[{"type": "function"}])) for _ in range(4)]
        await asyncio.sleep(0.3)
        raised.engines[0].process.kill()
        streams = await asyncio.gather(*tasks)
        assert summary(streams)["failed"] == 0, summary(streams)
        assert await raised.counted("headrace_relay_cut_total") == 0


async def test_garbage_and_errors_inside_a_stream_do_not_reach_the_client(tmp_path: Path) -> None:
    async with stage(tmp_path, [SLOW] * 2) as raised:
        them = client(raised)
        tasks = [asyncio.create_task(them.stream(20)) for _ in range(6)]
        await until(streaming(them, 6))
        await raised.fault(raised.engines[0], "garbage")
        assert summary(await asyncio.gather(*tasks))["failed"] == 0
        await raised.fault(raised.engines[0], "error")
        assert summary([await them.stream(3) for _ in range(6)])["failed"] == 0


async def test_requests_are_refused_readably_at_the_deadline_and_wait_for_a_replica_before_it(tmp_path: Path) -> None:
    async with stage(tmp_path, [], policy=StreamPolicy(Resume.NEVER, hold_s=0.3)) as raised:
        them, source = client(raised), RelayWaiting(raised.edges[0].relay_admin_port)
        late = await them.stream(5)
        assert (late.status, late.code, late.refused) == (503, "no_ready_replica", True)
        raised.policy = StreamPolicy(Resume.NEVER, hold_s=60.0)
        await raised.publish()
        asked: list[asyncio.Task[Stream]] = []

        async def waiting() -> bool:
            """Some may still be refused under the old policy; ask until three wait under the new one."""
            asked.append(asyncio.create_task(them.stream(5)))
            await asyncio.sleep(0.5)
            return (await source.waiting()).get(DEPLOYMENT, 0) >= 3

        await until(waiting)
        await source.close()
        raised.add_engine("late", "--load", "0.5")
        await raised.publish()
        streams = await asyncio.gather(*asked)
        assert summary(streams)["failed"] == 0
        assert sum(stream.ok for stream in streams) >= 3


async def test_without_the_relay_requests_go_straight_to_the_replicas(tmp_path: Path) -> None:
    async with stage(tmp_path, [()] * 2) as raised:
        them = client(raised)
        raised.edges[0].relay_process.kill()
        assert summary([await them.stream(5) for _ in range(10)])["failed"] == 0


async def test_a_client_that_leaves_takes_its_request_along(tmp_path: Path) -> None:
    async with stage(tmp_path, [SLOW]) as raised:
        them, engine = client(raised), raised.engines[0]

        async def running(count: int) -> bool:
            async with raised.http.get(f"http://{engine.address}/metrics") as answer:
                return f"requests_running {count}\n" in await answer.text()

        task = asyncio.create_task(them.stream(2000))
        await until(lambda: running(1))
        task.cancel()
        await until(lambda: running(0))


async def test_answers_that_are_no_stream_pass_and_what_a_client_claims_for_the_relay_is_ignored(tmp_path: Path) -> None:
    async with stage(tmp_path, [()]) as raised:
        url, liar = raised.edges[0].url, {"x-headrace-deployment": "other", "x-headrace-go-to": "MTI3LjAuMC4xOjE="}
        body = {"model": DEPLOYMENT, "prompt": "once", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4}
        for path in ("/v1/completions", "/v1/chat/completions"):
            async with raised.http.post(f"{url}{path}", json=body, headers=liar) as answer:
                assert (answer.status, (await answer.json())["usage"]["completion_tokens"]) == (200, 4)
                assert not [name for name in answer.headers if name.lower().startswith("x-headrace")]
