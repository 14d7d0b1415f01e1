"""Clients of the front door and of the API that never retry, so that whatever breaks is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx2

from tests.e2e.running import RunningDemo, until

LEASE = timedelta(seconds=10)
"""How long a report holds, by default."""
PROMPT = [{"role": "user", "content": "Name a river."}]


class Fleet:
    """The control plane's API."""

    def __init__(self, url: str) -> None:
        self._http = httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self._http.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    async def post(self, path: str) -> Any:
        answer = await self._http.post(path)
        answer.raise_for_status()
        return answer.json()

    async def close(self) -> None:
        await self._http.aclose()

    async def replicas(self, *states: str) -> dict[str, dict[str, Any]]:
        """Replicas that have not ended, by id; of the given states only, if any are given."""
        return {each["id"]: each for each in await self.get("/v1/placements") if not states or each["state"] in states}

    async def wanted(self) -> dict[tuple[str, str], int]:
        """Replicas by deployment and cluster in the target of the newest plan that was applied or is being applied."""
        plans = [plan for plan in await self.get("/v1/plans", limit=20) if plan["state"] in ("applying", "applied")]
        counts: dict[tuple[str, str], int] = {}
        for each in plans[0]["target"]["placements"]:
            key = (each["deployment"], each["cluster"])
            counts[key] = counts.get(key, 0) + each["replicas"]
        return counts

    async def settled(self) -> bool:
        """True once exactly what the plan wants is ready, nothing else is there, and no move is open."""
        replicas = list((await self.replicas()).values())
        counts: dict[tuple[str, str], int] = {}
        for each in replicas:
            key = (each["deployment"], each["cluster"])
            counts[key] = counts.get(key, 0) + 1
        moves = await self.get("/v1/migrations", limit=1000)
        return (
            all(each["state"] == "ready" and each["weight"] == 100 for each in replicas)
            and all(move["state"] in ("stopped", "failed", "cancelled") for move in moves)
            and counts == await self.wanted()
        )

    async def heard(self, cluster: str) -> None:
        """Wait for a report that the cluster's agent sent from now on: a lease that ends later than any earlier report's could."""
        now = datetime.fromisoformat((await self.get("/v1/status"))["time"])

        async def later() -> bool:
            row = next(each["cluster"] for each in await self.get("/v1/clusters") if each["cluster"]["id"] == cluster)
            return row["state"] == "ready" and datetime.fromisoformat(row["lease_until"]) > now + LEASE

        await until(later, f"a report of cluster {cluster}", 60)

    async def settle(self, demo: RunningDemo) -> None:
        """Wait until the fleet is what the plan says, with one engine process for each replica."""

        async def whole() -> bool:
            return await self.settled() and demo.engines() == {each["pid"] for each in (await self.replicas("ready")).values()}

        await until(whole, "a fleet with exactly one engine per planned replica")


class Asker:
    """Short plain requests, one after the other."""

    def __init__(self, front_door: str, model: str) -> None:
        self._model = model
        self._http = httpx2.AsyncClient(base_url=front_door, timeout=60, trust_env=False)
        self.answered = 0
        self.failures: list[str] = []

    async def run(self) -> None:
        while True:
            await self.ask()

    async def ask(self) -> bool:
        body = {"model": self._model, "messages": PROMPT, "max_tokens": 8}
        try:
            answer = await self._http.post("/v1/chat/completions", json=body)
            text = answer.json()["choices"][0]["message"]["content"] if answer.is_success else ""
        except httpx2.HTTPError as error:
            self.failures.append(repr(error))
            return False
        if not text:
            self.failures.append(f"HTTP {answer.status_code}: {answer.text[:200]}")
            return False
        self.answered += 1
        return True

    async def answers_more(self, count: int, within_s: float = 60.0) -> None:
        """Wait until that many further requests have been answered."""
        goal = self.answered + count

        async def enough() -> bool:
            return self.answered >= goal

        await until(enough, f"{count} further answers", within_s)


@asynccontextmanager
async def asking(front_door: str, model: str = "chat") -> AsyncIterator[Asker]:
    """Requests flow for as long as the block lasts."""
    asker = Asker(front_door, model)
    task = asyncio.create_task(asker.run())
    try:
        yield asker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asker._http.aclose()
