"""Supervises one engine server process on its node: start, wait until it answers a prompt, watch, restart, stop.

Runs in one thread, which must live as long as the engine, because the kernel ties the engine's life to that thread.
Standard library only: this code sits in every engine's host process. Knows neither Ray nor the control plane.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import psutil

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.lifecycle import ReplicaState
from scheduler.runtime import tree
from scheduler.runtime.engine import EngineMetricNames, filled, read_load
from scheduler.runtime.engine_http import answers_prompt, fetch, is_healthy
from scheduler.runtime.tied import tied_command
from scheduler.runtime.weights import WeightsMissingError, find_weights

_POLL_S = 0.1
_LOAD_S = 0.5
"""How often the engine's own metrics are read."""
_BACKOFF_FIRST_S, _BACKOFF_MAX_S = 0.5, 30.0
_STABLE_S = 60.0
"""An engine that was ready this long starts its next failure count at zero."""
_MAX_FAILURES = 5
_STOP_GRACE_S = 25.0
"""Longer than the engines' own shutdown wait, shorter than the shortest interruption notice."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What is known of the engine.

    Attributes:
        phases_ms: pull, load and warm of the latest start. error: why it failed or was restarted, "" otherwise.
    """

    state: ReplicaState = ReplicaState.STARTING
    pid: int | None = None
    endpoint: str = ""
    in_flight: int = 0
    tokens_total: int = 0
    restarts: int = 0
    phases_ms: dict[str, int] = field(default_factory=dict)
    error: str = ""


class EngineFailedError(Exception):
    """One start of the engine did not lead to an answered prompt, or a running engine ended."""


class EngineProcess:
    """One engine, kept alive.

    Args:
        host: address to listen on, the node's own.
        log_path: receives the engine's output; the tail of it explains a failure.
    """

    def __init__(self, launch: EngineLaunch, metrics: EngineMetricNames, host: str, log_path: Path) -> None:
        self._launch, self._metrics, self._host, self._log_path = launch, metrics, host, log_path
        self._status = EngineStatus()
        self._stop = threading.Event()
        self._done = threading.Event()
        self._port = 0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def begin(self) -> None:
        """Start the supervising thread."""
        self._thread.start()

    def status(self) -> EngineStatus:
        """The present status; never waits."""
        return self._status

    def stop(self) -> None:
        """Ask the engine to end. Returns at once; the state becomes STOPPED when it is gone."""
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the supervision ended; False at the timeout."""
        return self._done.wait(timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            ready_at: float | None = None
            try:
                with self._log_path.open("wb") as output:
                    process = self._start(output)
                    try:
                        self._await_ready(process)
                        ready_at = time.monotonic()
                        self._watch(process)
                    finally:
                        self._end(process)
            except WeightsMissingError as error:
                self._set(state=ReplicaState.FAILED, error=str(error))
                break
            except (EngineFailedError, OSError) as error:
                stable = ready_at is not None and time.monotonic() - ready_at >= _STABLE_S
                failures = 1 if stable else failures + 1
                self._failed(f"{error}{self._last_words()}", failures)
                if failures >= _MAX_FAILURES:
                    break
                self._stop.wait(min(_BACKOFF_FIRST_S * 2 ** (failures - 1), _BACKOFF_MAX_S))
        if self._stop.is_set():
            self._set(state=ReplicaState.STOPPED, pid=None, in_flight=0)
        self._done.set()

    def _start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        began = time.monotonic()
        weights = find_weights(self._launch.weights, self._launch.kind)
        pull_ms = _ms_since(began)
        self._port = _free_port(self._host, self._port)
        argv = filled(self._launch.argv, {"host": self._host, "port": str(self._port), "weights": weights})
        process = subprocess.Popen(
            tied_command(_with_program(argv), os.getpid()),
            env={**os.environ, **self._launch.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        self._set(
            state=ReplicaState.STARTING, pid=process.pid, endpoint=f"{self._host}:{self._port}", tokens_total=0, phases_ms={"pull": pull_ms}
        )
        return process

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Until it listens, and then until it has answered a prompt."""
        began = time.monotonic()
        deadline = began + self._launch.start_timeout_s
        while not is_healthy(self._host, self._port, self._launch.health_path):
            self._check(process, deadline)
        self._phase("load", began, ReplicaState.WARMING)
        began = time.monotonic()
        while not answers_prompt(self._host, self._port, self._launch.model_name, self._launch.warmup_prompt):
            self._check(process, deadline)
        self._phase("warm", began, ReplicaState.READY)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while not self._stop.is_set():
            self._check(process, None)
            exposition = fetch(self._host, self._port, "/metrics", timeout_s=2.0)
            if exposition is not None:
                load = read_load(self._metrics, exposition)
                self._set(in_flight=load.in_flight, tokens_total=load.tokens_total)
            self._stop.wait(_LOAD_S - _POLL_S)

    def _check(self, process: subprocess.Popen[bytes], deadline: float | None) -> None:
        """Pause; raise where the engine ended, is late, or should stop."""
        if self._stop.wait(_POLL_S):
            raise EngineFailedError("stopped")
        if process.poll() is not None:
            raise EngineFailedError(f"the engine ended with code {process.returncode}")
        if deadline is not None and time.monotonic() > deadline:
            raise EngineFailedError(f"the engine was not ready within {self._launch.start_timeout_s} s")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the engine with its helpers; on a stop, it may first finish what it is doing."""
        if self._stop.is_set():
            self._set(state=ReplicaState.STOPPING)
        if process.poll() is None:
            tree.end([psutil.Process(process.pid)], _STOP_GRACE_S if self._stop.is_set() else 2.0)
        process.wait()

    def _failed(self, error: str, failures: int) -> None:
        if self._stop.is_set():
            return
        final = failures >= _MAX_FAILURES
        self._set(
            state=ReplicaState.FAILED if final else ReplicaState.STARTING,
            pid=None,
            in_flight=0,
            restarts=self._status.restarts + (0 if final else 1),
            error=error,
        )

    def _phase(self, name: str, began: float, state: ReplicaState) -> None:
        self._set(state=state, phases_ms={**self._status.phases_ms, name: _ms_since(began)})

    def _set(self, **changes: object) -> None:
        """Replace the status. Only the supervising thread writes; a reader sees the old value or the new one."""
        self._status = replace(self._status, **changes)  # type: ignore[arg-type]  # keyword names are checked by replace

    def _last_words(self) -> str:
        try:
            with self._log_path.open(errors="replace") as text:
                tail = deque(text, maxlen=3)
        except OSError:
            return ""
        said = " | ".join(line.strip() for line in tail if line.strip())
        return f"; its last words: {said[-400:]}" if said else ""


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _with_program(argv: list[str]) -> list[str]:
    """Prefer the program that is installed beside this interpreter: a node's PATH need not know the environment."""
    beside = Path(sys.executable).parent / argv[0]
    return [sys.executable if argv[0] == "python" else str(beside) if beside.exists() else argv[0], *argv[1:]]


def _free_port(host: str, preferred: int) -> int:
    """A free port, the one of the previous start if possible, so that the endpoint stays the same."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EngineFailedError(f"no free port on {host}")
