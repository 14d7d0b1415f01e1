"""A steady load of streamed chat completions through the front door. It never retries; whatever breaks is counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2

PROMPTS = (
    "Tell me about the river that drives a mill.",
    "Why do clouds charge different prices for the same GPU?",
    "Write a short story about a lighthouse keeper.",
    "Explain how a headrace feeds a turbine.",
)
FIRST_BYTE_S = 60.0
STREAM_S_MIN = 5.0
SPARE = 1.7
"""Streams aim this much above the least: a replica speeds up when its neighbours on the machine rest."""
TOKENS_FIRST, TOKENS_MAX = 128, 700


@dataclass
class Tally:
    """What the clients saw."""

    requests_total: int = 0
    requests_failed: int = 0
    streams_total: int = 0
    streams_broken: int = 0
    client_retries: int = 0
    tokens: int = 0
    durations_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    in_flight: dict[str, int] = field(default_factory=dict)


class Load:
    """``concurrency`` streams at a time for each model, one after the other."""

    def __init__(self, front_door: str, concurrency: dict[str, int]) -> None:
        self.tally = Tally()
        self._concurrency = concurrency
        self._http = httpx2.AsyncClient(base_url=front_door, timeout=httpx2.Timeout(FIRST_BYTE_S, read=FIRST_BYTE_S), trust_env=False)
        self._workers: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._max_tokens = dict.fromkeys(concurrency, TOKENS_FIRST)

    def start(self) -> None:
        """Begin; clients of one model start a little apart, as people do."""
        for model, count in self._concurrency.items():
            self._workers += [asyncio.create_task(self._client(model, index)) for index in range(count)]

    async def finish(self) -> None:
        """Let every open stream end, then close."""
        self._stop.set()
        await asyncio.gather(*self._workers)
        await self._http.aclose()

    async def ask(self, model: str, prompt: str, max_tokens: int = 48) -> str:
        """One plain request, not streamed; the answer's text."""
        self.tally.requests_total += 1
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens, "temperature": 0}
        answer = await self._http.post("/v1/chat/completions", json=body)
        if not answer.is_success:
            self.tally.requests_failed += 1
            answer.raise_for_status()
        return str(answer.json()["choices"][0]["message"]["content"])

    async def answers(self, model: str) -> bool:
        """Whether the model answers now; counted nowhere, since the table may reach the edge a moment after a replica is ready."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        return (await self._http.post("/v1/chat/completions", json=body)).is_success

    async def _client(self, model: str, index: int) -> None:
        await asyncio.sleep(0.3 * index)
        while not self._stop.is_set():
            await self._stream(model, PROMPTS[(index + self.tally.streams_total) % len(PROMPTS)])

    async def _stream(self, model: str, prompt: str) -> None:
        """One stream, read to its end. Broken: it began and did not end with a finish reason and [DONE]."""
        tally, loop = self.tally, asyncio.get_running_loop()
        tally.requests_total += 1
        tally.in_flight[model] = tally.in_flight.get(model, 0) + 1
        began, tokens, finished = loop.time(), 0, False
        body = {
            "model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, "max_tokens": self._max_tokens[model],
            "ignore_eos": True, "stream_options": {"include_usage": True},
        }  # fmt: skip
        try:
            async with self._http.stream("POST", "/v1/chat/completions", json=body) as answer:
                if not answer.is_success:
                    tally.requests_failed += 1
                    tally.errors.append(f"HTTP {answer.status_code}: {(await answer.aread())[:200]!r}")
                    await asyncio.sleep(0.2)
                    return
                tally.streams_total += 1
                async for piece, reason in _pieces(answer):
                    tokens += piece
                    finished = finished or reason
        except httpx2.HTTPError as error:
            tally.errors.append(f"{type(error).__name__} after {tokens} tokens: {error}")
            finished = False
            if tokens == 0:
                tally.requests_failed += 1
        finally:
            tally.in_flight[model] -= 1
        took = loop.time() - began
        tally.tokens += tokens
        if not finished and tokens:
            tally.streams_broken += 1
        elif finished:
            tally.durations_s.append(took)
            self._lengthen(model, took)

    def _lengthen(self, model: str, took_s: float) -> None:
        """Keep streams longer than the least, whatever this machine's speed."""
        if took_s < STREAM_S_MIN * SPARE:
            wished = self._max_tokens[model] * STREAM_S_MIN * SPARE * 1.2 / max(took_s, 0.5)
            self._max_tokens[model] = min(TOKENS_MAX, round(wished))


async def _pieces(answer: httpx2.Response) -> AsyncIterator[tuple[int, bool]]:
    """(tokens in this event, True once the stream told why it ended)."""
    reason = False
    async for line in answer.aiter_lines():
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            yield 0, reason
            return
        choices = json.loads(line[6:]).get("choices") or []
        if choices and choices[0].get("finish_reason"):
            reason = True
        if choices and choices[0].get("delta", {}).get("content"):
            yield 1, False
