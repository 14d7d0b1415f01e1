"""A load generator of its own process: fixed bytes over many kept connections, one request at a time on each.

``python -m simulations.bench.edge_load`` reads one JSON object from standard input and prints one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop


class _Connection(asyncio.Protocol):
    """Sends the same request as soon as the last answer is whole."""

    def __init__(self, request: bytes, tally: dict[str, int]) -> None:
        self._request, self._tally = request, tally
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        place = self._buffer.find(b"content-length: ") + 16
        length = int(self._buffer[place : self._buffer.find(b"\r", place)])
        if len(self._buffer) < head + 4 + length:
            return
        self._tally["answers" if self._buffer[9:12] == b"200" else "refusals"] += 1
        self._buffer = b""
        self._transport.write(self._request)

    def connection_lost(self, _: Exception | None) -> None:
        self._tally["lost"] += 1


async def _run(port: int, request: bytes, connections: int, seconds: float) -> dict[str, float]:
    tally = {"answers": 0, "refusals": 0, "lost": 0}
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(lambda: _Connection(request, tally), "127.0.0.1", port))[0] for _ in range(connections)]
    began, used = time.perf_counter(), time.process_time()
    before = dict(tally)
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    counted: dict[str, float] = {name: tally[name] - before[name] for name in tally}
    for transport in opened:
        transport.abort()
    return {**counted, "seconds": took, "own_cpu_share": (time.process_time() - used) / took}


if __name__ == "__main__":
    order = json.load(sys.stdin)
    sent = order["head"].encode() + order["body"].encode()
    print(json.dumps(uvloop.run(_run(order["port"], sent, order["connections"], order["seconds"]))))
