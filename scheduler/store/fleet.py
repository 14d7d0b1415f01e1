"""What runs, what moves and what was last asked of every cluster. Written by the leader in one transaction per step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.domain.agentstate import DesiredState
from scheduler.domain.errors import FencedError, NoSuchError
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.lifecycle import MOVE_ENDED, NODE_ENDED, REPLICA_ENDED, ClusterState, PlanState, Schedulability
from scheduler.domain.plan import Move
from scheduler.domain.stores import ChangeSet, Fleet
from scheduler.store.agents import mark_handled
from scheduler.store.database import Database
from scheduler.store.events import append_events
from scheduler.store.plans import plan_of, write_plans
from scheduler.store.schema import clusters, desired_states, leadership, moves, nodes, plans, replicas
from scheduler.store.upsert import upsert


class Fleets:
    """Implements ``FleetStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fleet(self) -> Fleet:
        """The loop's state as of one instant: all clusters and desired states; nodes and replicas that have not ended; the newest
        applying plan; its moves and every other move that has not ended."""
        async with self._database.read() as connection:
            applying = (
                await connection.execute(
                    select(plans).where(plans.c.state == PlanState.APPLYING).order_by(plans.c.created_at.desc(), plans.c.id).limit(1)
                )
            ).one_or_none()
            plan = None if applying is None else plan_of(applying)
            of_plan_or_open = or_(moves.c.state.not_in(MOVE_ENDED), moves.c.plan == ("" if plan is None else plan.id))
            return Fleet(
                clusters=tuple(cluster_of(row) for row in await connection.execute(select(clusters).order_by(clusters.c.id))),
                nodes=await _bodies(connection, select(nodes.c.body).where(nodes.c.state.not_in(NODE_ENDED)).order_by(nodes.c.id)),
                replicas=await _bodies(
                    connection, select(replicas.c.body).where(replicas.c.state.not_in(REPLICA_ENDED)).order_by(replicas.c.id)
                ),
                moves=await _bodies(connection, select(moves.c.body).where(of_plan_or_open).order_by(moves.c.position)),
                plan=plan,
                desired=await _bodies(connection, select(desired_states.c.body).order_by(desired_states.c.cluster)),
            )

    async def commit(self, changes: ChangeSet, epoch: int) -> None:
        """Write one step of the loop, whole or not at all.

        The leader's row is locked against a change of leader until the end, so a deposed leader can never write after its successor
        began. Ended rows stay. Of a cluster only its state and lease are written: place and schedulability belong to people.

        Raises:
            FencedError: ``epoch`` is not the present leader's.
        """
        async with self._database.write() as connection:
            held = await connection.execute(select(leadership.c.epoch).with_for_update(read=True))
            current = held.scalar_one_or_none() or 0
            if current != epoch:
                raise FencedError(epoch, current)
            for cluster in changes.clusters:
                await connection.execute(
                    update(clusters).where(clusters.c.id == cluster.id).values(state=cluster.state, lease_until=cluster.lease_until)
                )
            await upsert(connection, nodes, [_node_row(node) for node in changes.nodes])
            await upsert(connection, replicas, [_replica_row(replica) for replica in changes.replicas])
            await write_plans(connection, changes.plans)
            await upsert(connection, moves, [_move_row(move) for move in changes.moves])
            await _write_desired(connection, changes.desired)
            await mark_handled(connection, changes.handled_notices)
            await append_events(connection, changes.events)

    async def put_clusters(self, declared: Sequence[Cluster]) -> None:
        """Insert new clusters; of known ones take over the place and the zones only."""
        place = ("provider", "account", "region", "jurisdiction", "zones")
        async with self._database.write() as connection:
            await upsert(connection, clusters, [_cluster_row(cluster) for cluster in declared], update=place)

    async def set_schedulability(self, cluster: str, value: Schedulability) -> Cluster:
        """What people want of the cluster. Raises NoSuchError."""
        statement = update(clusters).where(clusters.c.id == cluster).values(schedulability=value).returning(*clusters.c)
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NoSuchError("cluster", cluster)
        return cluster_of(row)

    async def ended_replicas(self, since: datetime) -> Sequence[Replica]:
        """Replicas that ended at or after an instant, oldest first."""
        statement = select(replicas.c.body).where(replicas.c.ended_at >= since).order_by(replicas.c.ended_at, replicas.c.id)
        async with self._database.read() as connection:
            return (await connection.execute(statement)).scalars().all()


def cluster_of(row: Row[Any]) -> Cluster:
    return Cluster(
        id=row.id,
        provider=row.provider,
        region=row.region,
        jurisdiction=row.jurisdiction,
        account=row.account,
        zones=row.zones,
        schedulability=Schedulability(row.schedulability),
        state=ClusterState(row.state),
        lease_until=row.lease_until,
    )


async def _bodies(connection: AsyncConnection, statement: Any) -> tuple[Any, ...]:
    return tuple((await connection.execute(statement)).scalars())


async def _write_desired(connection: AsyncConnection, desired: Sequence[DesiredState]) -> None:
    """Replace what is asked of clusters, never by something older: agents would refuse it."""
    for state in desired:
        row = insert(desired_states).values(cluster=state.cluster, epoch=state.epoch, version=state.version, body=state)
        newer = tuple_(row.excluded.epoch, row.excluded.version) >= tuple_(desired_states.c.epoch, desired_states.c.version)
        taken = {"epoch": row.excluded.epoch, "version": row.excluded.version, "body": row.excluded.body}
        await connection.execute(row.on_conflict_do_update(index_elements=["cluster"], set_=taken, where=newer))


def _cluster_row(cluster: Cluster) -> dict[str, Any]:
    return {
        "id": cluster.id,
        "provider": cluster.provider,
        "account": cluster.account,
        "region": cluster.region,
        "jurisdiction": cluster.jurisdiction,
        "zones": cluster.zones,
        "schedulability": cluster.schedulability,
        "state": cluster.state,
        "lease_until": cluster.lease_until,
    }


def _node_row(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "cluster": node.cluster,
        "launch_token": node.launch_token,
        "state": node.state,
        "ended_at": node.ended_at,
        "body": node,
    }


def _replica_row(replica: Replica) -> dict[str, Any]:
    return {
        "id": replica.id,
        "cluster": replica.cluster,
        "deployment": replica.deployment,
        "state": replica.state,
        "ended_at": replica.ended_at,
        "body": replica,
    }


def _move_row(move: Move) -> dict[str, Any]:
    return {"id": move.id, "plan": move.plan, "kind": move.kind, "state": move.state, "body": move}
