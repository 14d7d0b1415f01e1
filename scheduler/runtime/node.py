"""What a rented machine runs: ``python -m scheduler.runtime.node``. It joins its cluster's Ray and watches for interruption.

Settings come from the environment that ``runtime.join`` writes. Imports neither Ray nor anything of the control plane.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scheduler.domain.errors import InvalidInputError
from scheduler.runtime.head import OBJECT_STORE_BYTES, check_directory
from scheduler.runtime.protocol import ControlClient
from scheduler.runtime.rayproc import RAYLET, RayGroup, RaySupervisor, prepare, ray_environment, ray_start_command, run_until_signalled
from scheduler.runtime.watcher import MetadataKind, NodeWatcher, metadata_reader

NODE_LABEL = "headrace.dev/node"
"""Label of a Ray node that carries our node id; engines are pinned by it."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """One machine.

    Attributes:
        accelerators: GPUs offered to Ray. cpus: engine slots; engines ask for GPUs, not for CPUs.
        directory: short path for Ray's temp files, private to this node.
        ray_token: secret of the cluster's Ray, "" for none.
    """

    node: str
    cluster: str
    ray_address: str
    control_url: str
    token: str
    accelerators: int
    directory: Path
    metadata_kind: MetadataKind = MetadataKind.NONE
    metadata_url: str = ""
    cpus: int = 4
    ray_token: str = ""


def node_settings(environ: Mapping[str, str]) -> NodeSettings:
    """Read the settings from the environment.

    Raises:
        InvalidInputError: a variable is missing or malformed.
    """
    for name in ("HEADRACE_NODE", "HEADRACE_CLUSTER", "HEADRACE_RAY_ADDRESS", "HEADRACE_CONTROL_URL", "HEADRACE_TOKEN"):
        if not environ.get(name):
            raise InvalidInputError(name, "", "missing", "The startup script of the node sets it.")
    kind = environ.get("HEADRACE_METADATA_KIND", "none")
    if kind not in set(MetadataKind):
        raise InvalidInputError("HEADRACE_METADATA_KIND", kind, "unknown", f"Use one of: {', '.join(MetadataKind)}.")
    node = environ["HEADRACE_NODE"]
    return NodeSettings(
        node=node,
        cluster=environ["HEADRACE_CLUSTER"],
        ray_address=environ["HEADRACE_RAY_ADDRESS"],
        control_url=environ["HEADRACE_CONTROL_URL"],
        token=environ["HEADRACE_TOKEN"],
        accelerators=_count(environ, "HEADRACE_ACCELERATORS", "0"),
        directory=Path(environ.get("HEADRACE_NODE_DIR", f"/tmp/hr-{node}")),  # noqa: S108 - Ray's sockets need a short path
        metadata_kind=MetadataKind(kind),
        metadata_url=environ.get("HEADRACE_METADATA_URL", ""),
        cpus=_count(environ, "HEADRACE_CPUS", "4"),
        ray_token=environ.get("HEADRACE_RAY_TOKEN", ""),
    )


def node_command(settings: NodeSettings) -> tuple[list[str], dict[str, str]]:
    """The command and the extra environment of one raylet."""
    check_directory(settings.directory)
    argv = [
        *ray_start_command(),
        f"--address={settings.ray_address}",
        f"--temp-dir={settings.directory / 't'}",
        f"--labels={NODE_LABEL}={settings.node}",
        f"--num-gpus={settings.accelerators}",
        f"--num-cpus={settings.cpus}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--include-log-monitor=false",
        "--disable-usage-stats",
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]
    host = settings.ray_address.rsplit(":", 1)[0]
    if host.startswith("127."):
        # On one host everything stays on the head's own loopback address; elsewhere Ray finds the machine's address.
        argv.append(f"--node-ip-address={host}")
    return argv, ray_environment(settings.ray_token)


async def run_node(settings: NodeSettings) -> None:
    """Join, keep joined and watch until SIGTERM; then end every process of the node."""
    argv, env = node_command(settings)
    prepare(settings.directory, ("t",))
    # The raylet's children inherit its environment: what the control plane gave us stays out of the engines' sight.
    inherited = {name: value for name, value in os.environ.items() if name != "HEADRACE_TOKEN"}
    env = {**inherited, **env, "HEADRACE_NODE_DIR": str(settings.directory)}
    group = RayGroup(f"node:{settings.node}", tuple(argv), env, settings.directory, required=(RAYLET,))
    watching = asyncio.create_task(_watch(settings))
    try:
        await run_until_signalled(RaySupervisor(group))
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(settings: NodeSettings) -> None:
    def clock() -> datetime:
        return datetime.now(tz=UTC)  # noqa: TID251 - the node's one clock

    reader = metadata_reader(settings.metadata_kind, settings.metadata_url, clock)
    if reader is None:
        return
    async with ControlClient(settings.control_url, settings.cluster, settings.token) as control:
        await NodeWatcher(settings.node, reader, control.post_notice, clock).run()


def _count(environ: Mapping[str, str], name: str, default: str) -> int:
    text = environ.get(name, default)
    if not text.isdigit():
        raise InvalidInputError(name, text, "not a count", "Give a whole number, 0 or more.")
    return int(text)


if __name__ == "__main__":
    asyncio.run(run_node(node_settings(os.environ)))
