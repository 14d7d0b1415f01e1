"""A rented machine as the market process remembers it, and its forms in the API and in the state file. Values only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from providers.simulated.holding import Holding
from providers.simulated.machines import ProcessRef
from scheduler.domain.offer import CapacityType


@dataclass(frozen=True, slots=True)
class Machine:
    """One rented machine, running or ended.

    Attributes:
        root: its first process; None between the record and the start.
        ended_why: "" while it runs; terminated, reclaimed, exited or failed to start.
    """

    holding: Holding
    cloud: str
    region: str
    zone: str
    root: ProcessRef | None = None
    ended_at: datetime | None = None
    ended_why: str = ""

    @property
    def id(self) -> str:
        return self.holding.machine

    @property
    def state(self) -> str:
        if self.ended_at is not None:
            return self.ended_why
        return "interrupted" if self.holding.deadline is not None else "running"

    def to_json(self) -> dict[str, Any]:
        """The API's form, with everything a person may ask; no command, no environment."""
        held = self.holding
        return {
            "id": self.id, "cloud": self.cloud, "offer_id": held.offer_id, "region": self.region, "zone": self.zone,
            "launch_token": held.launch_token, "node": held.node, "cluster": held.cluster, "running": self.ended_at is None,
            "state": self.state, "address": "127.0.0.1", "pid": self.root.pid if self.root else None,
            "since": held.since.isoformat(), "noticed_at": iso(held.noticed_at), "deadline": iso(held.deadline),
            "ended_at": iso(self.ended_at),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """What a client asks a cloud for."""

    cloud: str
    region: str
    zone: str
    instance_type: str
    capacity_type: CapacityType
    launch_token: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    cluster: str = ""


def machine_name(cloud: str, launch_token: str) -> str:
    """The cloud's id of a machine, in the cloud's own style; a function of the token, so that a repeated launch is the same one."""
    digest = hashlib.sha256(f"{cloud}:{launch_token}".encode()).hexdigest()
    match cloud:
        case "aws":
            return f"i-{digest[:17]}"
        case "gcp":
            return str(int(digest[:15], 16) + 10**18)
        case _:
            return f"{cloud}-vm-{digest[:12]}"


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 or None."""
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def to_state(machine: Machine) -> dict[str, Any]:
    """The state file's form. Commands and environments are not part of a machine: they may hold tokens."""
    row = asdict(machine)
    row["ended_at"] = iso(machine.ended_at)
    for name in ("since", "noticed_at", "deadline"):
        row["holding"][name] = iso(getattr(machine.holding, name))
    return row


def from_state(row: dict[str, Any]) -> Machine:
    """Inverse of ``to_state``."""
    held, root = row["holding"], row["root"]
    for name in ("since", "noticed_at", "deadline"):
        held[name] = _moment(held[name])
    row["holding"], row["root"] = Holding(**held), ProcessRef(**root) if root else None
    row["ended_at"] = _moment(row["ended_at"])
    return Machine(**row)
