"""The real application over a real database, called over ASGI as if from this machine's loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import httpx2
import pytest

from scheduler.api.app import create_app
from scheduler.api.auth import new_key
from scheduler.api.services import ApiSettings, Services
from scheduler.domain.fleet import Cluster
from scheduler.domain.lifecycle import ClusterState
from scheduler.domain.ports import OfferPage
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import ChangeSet, Workload
from scheduler.inventory.assemble import Sources, assemble
from scheduler.store import Store
from tests.builders import NOW, cluster, deployment, model, offer, shape

OFFERS = (
    offer("aws", "us-east-1", usd=0.5, jurisdiction="US"),
    offer("gcp", "europe-west4", usd=0.7, jurisdiction="NL"),
)


class Door:
    """The API as a client sees it. ``peer`` and ``host`` are where the request comes from and goes to."""

    def __init__(self, store: Store, settings: ApiSettings | None = None) -> None:
        self.store = store
        sources = Sources(store.offers, store.evidence, store.workload, store.fleet)

        async def snapshot(now: datetime, joining: Sequence[Cluster] = ()) -> Snapshot:
            return await assemble(sources, now, joining=joining)

        self.app = create_app(Services(store, snapshot, lambda: NOW, lambda: 1, settings or ApiSettings()))

    def client(self, *, peer: str = "127.0.0.1", host: str = "127.0.0.1", key: str = "") -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        transport = httpx2.ASGITransport(app=self.app, client=(peer, 50000))
        return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers)

    async def key(self, role: str, subject: str = "") -> str:
        """A fresh key's secret."""
        secret, row = new_key(role, subject, NOW)
        await self.store.keys.put_key(row)
        return secret


@pytest.fixture
async def door(store: Store) -> Door:
    """Two ready clusters, two offers, one model and one deployment."""
    clusters = (cluster(state=ClusterState.JOINING), cluster("gcp", "europe-west4", jurisdiction="NL", state=ClusterState.JOINING))
    await store.fleet.put_clusters(clusters)
    epoch = await store.leases.acquire_leadership("test", NOW, 60)
    assert epoch is not None
    ready = tuple(cluster(c.provider, c.region, jurisdiction=c.jurisdiction, lease_until=NOW + timedelta(hours=1)) for c in clusters)
    await store.fleet.commit(ChangeSet(clusters=ready), epoch)
    await store.offers.ingest("test", "default", OfferPage("all", OFFERS, complete=True), NOW)
    await store.workload.put(Workload(deployments=(deployment("chat"),), models=(model(),), shapes=(shape(),)))
    return Door(store)


@pytest.fixture
async def api(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with door.client() as client:
        yield client
