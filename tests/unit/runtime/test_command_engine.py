"""Any OpenAI-compatible program runs under the supervisor as the other engines do; here it is the scripted one."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.workload import ANY_BUCKET, Demand, Deployment, EngineCommand, EngineKind, EngineShape, Evidence, Model
from scheduler.runtime.backends import BACKENDS, metric_names
from scheduler.runtime.engine_process import EngineProcess, EngineStatus

MODEL = Model(id="m", source="hub:m", parameters_b=1, revision="r1")
SHAPE = EngineShape("s", MODEL.id, EngineKind.COMMAND, "L4-24GB-PCIe", 1, {ANY_BUCKET: 1.0}, Evidence.DECLARED, "test", date(2026, 11, 25))
ARGV = ("python", "-m", "simulations.engines.scripted", "--host", "{host}", "--port", "{port}", "--load", "0.5", "--rate", "200")
COMMAND = EngineCommand(ARGV, tokens="scripted:generation_tokens_total", running="scripted:num_requests_running")
CHAT = Deployment("chat", MODEL.id, (Demand("us", 1.0),), engine=EngineKind.COMMAND, command=COMMAND)


def test_a_command_becomes_ready_and_its_phases_and_load_are_known(tmp_path: Path) -> None:
    launch = BACKENDS[EngineKind.COMMAND].launch(CHAT, MODEL, SHAPE)
    engine = EngineProcess(launch, metric_names(launch), "127.0.0.1", tmp_path / "engine.log")
    engine.begin()
    try:
        status = until_counted(engine)
        assert status.state is ReplicaState.READY, status.error
        assert set(status.phases_ms) == {"pull", "load", "warm"}
        assert status.phases_ms["load"] >= 500
    finally:
        engine.stop()
        assert engine.wait(90)
    assert engine.status().state is ReplicaState.STOPPED


def until_counted(engine: EngineProcess) -> EngineStatus:
    """Until the tokens of the warm-up prompt were read from the engine's own metrics."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and engine.status().tokens_total != 4:
        time.sleep(0.05)
    return engine.status()
