"""The agents' side of the API: desired state out (long poll), observations and notices in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from scheduler.api.auth import Agent, Member
from scheduler.api.services import Services, Use
from scheduler.domain.agentstate import DesiredState
from scheduler.domain.errors import InvalidInputError
from scheduler.runtime.protocol import DESIRED, NOTICE, OBSERVED

router = APIRouter(prefix="/agent/v1/clusters/{cluster}", tags=["agents"], include_in_schema=False)

POLL_S = 0.25


async def _raw(request: Request) -> bytes:
    """The body as it came: the wire's own adapters read it, so both ends agree by construction."""
    return await request.body()


Bytes = Annotated[bytes, Depends(_raw)]


@router.get("/desired")
async def desired(
    cluster: str, _: Agent, use: Use, epoch: int = 0, version: int = 0, wait_s: Annotated[float, Query(ge=0, le=60)] = 20
) -> Response:
    """The desired state once it is newer than (epoch, version); 204 where it stays as it is."""
    state = await _newer(use, cluster, (epoch, version), wait_s)
    if state is None:
        return Response(status_code=204)
    return Response(DESIRED.dump_json(state), media_type="application/json")


async def _newer(use: Services, cluster: str, than: tuple[int, int], wait_s: float) -> DesiredState | None:
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        state = await use.stores.agents.desired(cluster)
        if state is not None and (state.epoch, state.version) > than:
            return state
        if loop.time() >= until:
            return None
        await asyncio.sleep(POLL_S)


@router.post("/observed")
async def observed(cluster: str, _: Agent, use: Use, body: Bytes) -> dict[str, float]:
    """Take a report; it renews the cluster's lease."""
    state = OBSERVED.validate_json(body)
    if state.cluster != cluster:
        raise InvalidInputError("cluster", state.cluster, f"this report came in under cluster {cluster}", "Use the cluster's own token.")
    lease_s = use.settings.lease_s
    await use.stores.agents.report(state, use.clock() + timedelta(seconds=lease_s))
    return {"lease_s": lease_s}


@router.post("/notices", status_code=204)
async def notices(cluster: str, _: Member, use: Use, body: Bytes) -> None:
    """Take a cloud's warning about one of the cluster's nodes."""
    notice = NOTICE.validate_json(body)
    fleet = await use.stores.fleet.fleet()
    if any(node.id == notice.node and node.cluster != cluster for node in fleet.nodes):
        raise InvalidInputError("node", notice.node, f"is not a node of cluster {cluster}", "Use the token of its own cluster.")
    await use.stores.agents.put_notice(replace(notice, received_at=use.clock()))
