"""How a rented machine learns to join: the command, its environment and the startup script. Pure text, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.domain.errors import InvalidInputError
from scheduler.runtime.watcher import MetadataKind

IMAGE_PYTHON = "/opt/headrace/bin/python"
"""The interpreter inside the machine image that has headrace installed."""
_ENV_FILE = "/etc/headrace/node.env"
_UNIT_FILE = "/etc/systemd/system/headrace-node.service"
_METADATA_URLS = {
    MetadataKind.AWS: "http://169.254.169.254",
    MetadataKind.GCP: "http://metadata.google.internal",
    MetadataKind.AZURE: "http://169.254.169.254",
    MetadataKind.NONE: "",
}
_UNIT = """[Unit]
Description=headrace node
After=network-online.target
Wants=network-online.target

[Service]
EnvironmentFile={env_file}
ExecStart={python} -m scheduler.runtime.node
Restart=always
RestartSec=2
KillMode=control-group
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Membership:
    """What a node needs to know of its cluster.

    Attributes:
        token: bearer token for the agent API, ray_token: secret of the cluster's Ray; neither is ever logged.
        node_dir: folder below which each node makes its own, "" for the node's default.
    """

    cluster: str
    ray_address: str
    control_url: str
    token: str
    ray_token: str = ""
    node_dir: str = ""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """The three forms in which a provider may start a node; a ``LaunchRequest`` carries all."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    user_data: str


def join_request(
    membership: Membership,
    *,
    node: str,
    accelerators: int,
    metadata: MetadataKind,
    metadata_url: str = "",
    python: str = IMAGE_PYTHON,
) -> JoinRequest:
    """Build everything that makes a fresh machine the node ``node``.

    Args:
        metadata_url: overrides the cloud's well-known address.
        python: interpreter that runs the node; the image's own by default.

    Raises:
        InvalidInputError: a value holds a line break, which would add lines to the environment file.
    """
    env = {
        "HEADRACE_NODE": node,
        "HEADRACE_CLUSTER": membership.cluster,
        "HEADRACE_RAY_ADDRESS": membership.ray_address,
        "HEADRACE_CONTROL_URL": membership.control_url,
        "HEADRACE_TOKEN": membership.token,
        "HEADRACE_RAY_TOKEN": membership.ray_token,
        "HEADRACE_METADATA_KIND": metadata.value,
        "HEADRACE_METADATA_URL": metadata_url or _METADATA_URLS[metadata],
        "HEADRACE_ACCELERATORS": str(accelerators),
    }
    if membership.node_dir:
        # A digest, because Ray's socket paths leave room for few characters, and node ids are long.
        env["HEADRACE_NODE_DIR"] = f"{membership.node_dir}/{hashlib.sha256(node.encode()).hexdigest()[:10]}"
    for name, value in env.items():
        if "\n" in value or "\r" in value:
            raise InvalidInputError(name, "(hidden)" if "TOKEN" in name else value, "holds a line break", "Remove it.")
    argv = (python, "-m", "scheduler.runtime.node")
    return JoinRequest(argv, env, _cloud_init(env, python))


def _cloud_init(env: Mapping[str, str], python: str) -> str:
    """A cloud-config document. JSON is valid YAML, and JSON needs no care with quotes."""
    document = {
        "write_files": [
            {"path": _ENV_FILE, "permissions": "0600", "content": "".join(f"{name}={_quoted(value)}\n" for name, value in env.items())},
            {"path": _UNIT_FILE, "permissions": "0644", "content": _UNIT.format(env_file=_ENV_FILE, python=python)},
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "headrace-node.service"]],
    }
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"


def _quoted(value: str) -> str:
    """A double-quoted value of a systemd environment file."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return f'"{escaped}"'
