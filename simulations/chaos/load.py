"""Streams under load, each checked word by word against what the scripted engines must say."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from simulations.chaos.stage import DEPLOYMENT, SEED
from simulations.engines.text import answer, chat_text

_PATIENCE_S = 120.0


@dataclass
class Stream:
    """What one client saw.

    Attributes:
        status: 0 where no answer came. gap_s: longest silence between two events with text. wrong: what was not as it must be.
    """

    began: float
    status: int = 0
    code: str = ""
    retry_after: str = ""
    text: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    roles: int = 0
    ends: int = 0
    usage: list[dict[str, int]] = field(default_factory=list)
    ended: float = 0.0
    first_s: float = 0.0
    gap_s: float = 0.0
    error: str = ""
    wrong: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 200 and not self.error and not self.wrong

    @property
    def refused(self) -> bool:
        """Told to come back later, which is no failure of ours."""
        return self.status in (429, 503) and bool(self.retry_after)


class Client:
    """Sends streams and remembers what came back."""

    def __init__(self, http: aiohttp.ClientSession, urls: Sequence[str]) -> None:
        self._http, self._urls = http, itertools.cycle(urls)
        self._numbers = itertools.count()
        self.streams: list[Stream] = []

    async def stream(self, tokens: int = 40, url: str = "", **more: Any) -> Stream:
        """One chat stream of this many tokens, read to its end."""
        loop = asyncio.get_running_loop()
        seen = Stream(loop.time())
        self.streams.append(seen)
        messages = [{"role": "user", "content": f"question {next(self._numbers)}"}]
        body = {"model": DEPLOYMENT, "messages": messages, "stream": True, "max_tokens": tokens, "temperature": 0, **more}
        try:
            async with asyncio.timeout(_PATIENCE_S):
                async with self._http.post(f"{url or next(self._urls)}/v1/chat/completions", json=body) as response:
                    seen.status, seen.retry_after = response.status, response.headers.get("retry-after", "")
                    if response.status != 200:
                        seen.code = str((await response.json(content_type=None)).get("error", {}).get("code"))
                    else:
                        await _read(response, seen)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            seen.error = repr(error)[:200]
        seen.ended = loop.time()
        if seen.status == 200 and not seen.error:
            seen.wrong = _judge(seen, answer(SEED, chat_text(messages, continued=False), tokens), tokens)
        return seen

    async def steady(self, per_s: float, seconds: float, tokens: int = 40) -> list[Stream]:
        """New streams at a steady rate; returns when the last one ended."""
        loop = asyncio.get_running_loop()
        began, tasks = loop.time(), []
        for number in range(int(per_s * seconds)):
            delay = began + number / per_s - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            tasks.append(asyncio.create_task(self.stream(tokens)))
        return list(await asyncio.gather(*tasks))


async def _read(response: aiohttp.ClientResponse, seen: Stream) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time()
    async for raw in response.content:
        line = raw.strip()
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            seen.ends += 1
            continue
        event = json.loads(data)
        seen.ids.add(event["id"])
        if event.get("usage"):
            seen.usage.append(event["usage"])
        for choice in event["choices"]:
            seen.roles += "role" in choice["delta"]
            if text := choice["delta"].get("content"):
                now = loop.time()
                seen.gap_s = max(seen.gap_s, now - last) if seen.text else 0.0
                seen.first_s = seen.first_s or now - seen.began
                seen.text.append(text)
                last = now


def _judge(seen: Stream, expected: str, tokens: int) -> str:
    """The first thing that is wrong with a stream that ended well, "" if nothing is."""
    text = "".join(seen.text)
    if text != expected:
        same = next((n for n, (a, b) in enumerate(zip(text, expected, strict=False)) if a != b), min(len(text), len(expected)))
        return f"text differs at {same} of {len(expected)}: {text[same : same + 30]!r}"
    if (len(seen.ids), seen.roles, seen.ends, len(seen.usage)) != (1, 1, 1, 1):
        return f"{len(seen.ids)} ids, {seen.roles} roles, {seen.ends} ends, {len(seen.usage)} usages"
    usage = seen.usage[0]
    if usage["completion_tokens"] != tokens or usage["total_tokens"] != usage["prompt_tokens"] + tokens:
        return f"usage {usage} for {tokens} tokens"
    return ""


def summary(streams: Sequence[Stream]) -> dict[str, Any]:
    """Counts and delays of many streams."""
    broken = [stream for stream in streams if not stream.ok and not stream.refused]
    gaps = [stream.gap_s for stream in streams if stream.ok]
    return {
        "streams": len(streams),
        "failed": len(broken),
        "refused": sum(stream.refused for stream in streams),
        "wrong": sum(bool(stream.wrong) for stream in streams),
        "longest_gap_ms": round(1000 * max(gaps, default=0.0)),
        "gap_p99_ms": round(1000 * quantile(gaps, 0.99)),
        "first_token_p99_ms": round(1000 * quantile([stream.first_s for stream in streams if stream.ok], 0.99)),
        **({"first_failure": broken[0].error or broken[0].wrong or f"{broken[0].status} {broken[0].code}"} if broken else {}),
    }


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of the values does not exceed; 0 without values."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else 0.0
