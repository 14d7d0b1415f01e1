"""An OpenAI-compatible engine with a script: ``python -m simulations.engines.scripted --port N``.

It streams like vLLM, headers at once, and costs next to no CPU, so that one core carries hundreds of streams. Faults are
switched while it runs, by ``POST /fault`` on its control port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop
from aiohttp import web

from simulations.engines.prompt import Prompt, as_event
from simulations.engines.text import words

FAULTS = ("none", "hang", "hang-streams", "garbage", "error", "exit")
_BODY_BYTES = 64 * 1024 * 1024


@dataclass
class Engine:
    """One engine's settings and state.

    Attributes:
        start_s: until it is healthy. first_token_s: from a request's turn to its first token. rate: tokens per second of a stream.
        slots: streams at once; ``queue`` more wait, and what comes then is refused with 503.
        echo: a continued chat answer begins with the text it continues, as llama.cpp's does.
        fault: one of ``FAULTS``, in force at once, also for streams that run.
    """

    seed: int = 1
    start_s: float = 0.0
    first_token_s: float = 0.02
    rate: float = 50.0
    slots: int = 256
    queue: int = 1024
    echo: bool = False
    fault: str = "none"
    ready_at: float = 0.0
    running: int = 0
    waiting: int = 0
    tokens_total: int = 0
    requests_total: int = 0
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def past_hang(self, *faults: str) -> None:
        """Wait while one of these faults is in force."""
        while self.fault in faults:  # noqa: ASYNC110 (a fault is polled, so that it costs nothing where there is none)
            await asyncio.sleep(0.02)

    async def health(self, _: web.Request) -> web.Response:
        await self.past_hang("hang")
        ready = asyncio.get_running_loop().time() >= self.ready_at
        return web.json_response({"status": "ok" if ready else "loading"}, status=200 if ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        lines = [
            f"scripted:num_requests_running {self.running}",
            f"scripted:num_requests_waiting {self.waiting}",
            f"scripted:generation_tokens_total {self.tokens_total}",
            f"scripted:requests_total {self.requests_total}",
        ]
        return web.Response(text="\n".join(lines) + "\n")

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model", "created": 0, "owned_by": "headrace"}]})

    async def switch(self, request: web.Request) -> web.Response:
        wanted = (await request.json()).get("fault")
        if wanted not in FAULTS:
            return web.json_response({"error": f"fault: {wanted!r} is none of {', '.join(FAULTS)}"}, status=400)
        if wanted == "exit":
            os.kill(os.getpid(), signal.SIGKILL)
        self.fault = wanted
        return web.json_response({"fault": self.fault})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Chat and plain completions."""
        self.requests_total += 1
        await self.past_hang("hang")
        try:
            body = await request.json()
            prompt = Prompt.of(body, chat=request.path.endswith("/chat/completions"))
        except (ValueError, TypeError, AttributeError) as error:
            return _refusal(400, f"not a request: {error}", "invalid_request_error")
        if self.fault == "error":
            return web.json_response({"error": {"message": "CUDA error: scripted", "type": "server_error", "code": None}})
        if self.waiting >= self.queue and self.gate.locked():
            return _refusal(503, "all slots and the queue are taken", "overloaded")
        return await (self._stream(request, prompt) if prompt.streamed else self._whole(prompt))

    async def _whole(self, prompt: Prompt) -> web.Response:
        async with self._turn():
            said = words(self.seed, prompt.before)
            text = "".join(next(said) for _ in range(prompt.tokens))
            await asyncio.sleep(self.first_token_s + prompt.tokens / self.rate)
            await self.past_hang("hang", "hang-streams")
            self.tokens_total += prompt.tokens
        return web.json_response(prompt.answer(f"cmpl-{next(self.numbers)}", prompt.prefill(self.echo) + text))

    async def _stream(self, request: web.Request, prompt: Prompt) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        name = f"cmpl-{os.getpid()}-{next(self.numbers)}"
        async with self._turn():
            await asyncio.sleep(self.first_token_s)
            await self.past_hang("hang", "hang-streams")
            if prompt.chat:
                await response.write(prompt.event(name, {"role": "assistant", "content": ""}))
            if prefill := prompt.prefill(self.echo):
                await response.write(prompt.event(name, {"content": prefill}))
            await self._say(response, prompt, name)
        await response.write(prompt.event(name, {}, finish="length"))
        await response.write(as_event({**prompt.frame(name), "choices": [], "usage": prompt.usage}) + b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def _say(self, response: web.StreamResponse, prompt: Prompt, name: str) -> None:
        """Keep the pace by the clock and not by the sleep, so that a late wake-up is caught up with."""
        loop = asyncio.get_running_loop()
        began, said = loop.time(), words(self.seed, prompt.before)
        for number in range(prompt.tokens):
            delay = began + number / self.rate - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            if self.fault in ("hang", "hang-streams"):
                await self.past_hang("hang", "hang-streams")
                began = loop.time() - number / self.rate
            text = next(said)
            self.tokens_total += 1
            await response.write(b"data: \xff{garbage\n\n" if self.fault == "garbage" else prompt.event(name, {"content": text}))

    @contextlib.asynccontextmanager
    async def _turn(self) -> Any:
        self.waiting += 1
        try:
            await self.gate.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self.gate.release()


def _refusal(status: int, message: str, code: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": code, "param": None, "code": code}}, status=status)


def application(engine: Engine) -> web.Application:
    """What the engine's port serves."""
    app = web.Application(client_max_size=_BODY_BYTES)
    app.router.add_get("/health", engine.health)
    app.router.add_get("/metrics", engine.metrics)
    app.router.add_get("/v1/models", engine.models)
    app.router.add_post("/v1/chat/completions", engine.complete)
    app.router.add_post("/v1/completions", engine.complete)
    return app


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await asyncio.sleep(options.acquire + options.pull)
    engine = Engine(options.seed, options.load, options.first_token, options.rate, options.slots, options.queue, options.echo)
    engine.gate, engine.ready_at = asyncio.Semaphore(options.slots), loop.time() + options.load
    control = web.Application()
    control.router.add_post("/fault", engine.switch)
    wanted = [(application(engine), options.host, options.port)]
    if options.control_port:
        wanted.append((control, "127.0.0.1", options.control_port))
    runners = []
    for app, host, port in wanted:
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, host, port, backlog=4096).start()
        runners.append(runner)
    await stop.wait()
    for runner in runners:
        await runner.cleanup()


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripted", description="An OpenAI-compatible engine with a script.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, default=0, help="takes POST /fault on loopback; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=1, help="replicas of a model share it")
    for phase, meaning in (("acquire", "before anything"), ("pull", "before it listens"), ("load", "listening, not healthy")):
        parser.add_argument(f"--{phase}", type=float, default=0.0, metavar="S", help=f"seconds spent {meaning}")
    parser.add_argument("--first-token", type=float, default=0.02, metavar="S")
    parser.add_argument("--rate", type=float, default=50.0, help="tokens per second of each stream")
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--queue", type=int, default=1024)
    parser.add_argument("--echo", action="store_true", help="repeat the prefill in chat answers, as llama.cpp does")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the engine."""
    uvloop.run(serve(parse_arguments()))


if __name__ == "__main__":
    main()
