"""Every row by its name, in order of value."""

from __future__ import annotations

from pathlib import Path

from simulations.chaos import edges, rows
from simulations.chaos.cost import relay_cost
from simulations.chaos.rows import Outcome, Row, Scale

FULL, QUICK = Scale(), Scale(per_s=10.0, seconds=3.0, tokens=30, patience_s=6.0, many_per_s=20.0)


async def cost_of_the_relay(folder: Path, scale: Scale) -> Outcome:
    """CPU per streamed chunk, of the relay beside an Envoy that passes the same streams."""
    return Outcome("", await relay_cost(folder, scale.seconds), True)


ROWS: dict[str, Row] = {
    "replica-killed": rows.replica_killed,
    "replica-killed-without-resume": rows.replica_killed_without_resume,
    "replica-black-hole": rows.replica_cut_off,
    "replica-hangs": rows.replica_hangs,
    "slow-first-token": rows.slow_first_token,
    "relay-killed": edges.relay_killed,
    "envoy-killed": edges.envoy_killed,
    "overload": rows.overload,
    "planned-shift": edges.planned_shift,
    "cluster-gone": rows.cluster_gone,
    "relay-cost": cost_of_the_relay,
}
