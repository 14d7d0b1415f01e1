"""All repositories together, over one pool of connections."""

from __future__ import annotations

import asyncio
import hashlib

from sqlalchemy import text

from scheduler.domain.ports import Pace
from scheduler.store.agents import Agents
from scheduler.store.database import Database
from scheduler.store.events import Events
from scheduler.store.evidence import Evidence
from scheduler.store.fleet import Fleets
from scheduler.store.keys import Keys
from scheduler.store.leases import Leases
from scheduler.store.migrate import upgrade
from scheduler.store.offers import Offers
from scheduler.store.pace import SharedPace
from scheduler.store.plans import Plans
from scheduler.store.usage import Usage
from scheduler.store.workload import Workloads


class Store:
    """All repositories over one pool of connections.

    Attributes:
        offers: offers, limits, history, provider status. evidence: limits, and what launches taught.
        workload, fleet, plans, agents, events, leases, usage, keys: the ports of the same name.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.offers = Offers(database)
        self.evidence = Evidence(database)
        self.workload = Workloads(database)
        self.fleet = Fleets(database)
        self.plans = Plans(database)
        self.agents = Agents(database)
        self.events = Events(database)
        self.leases = Leases(database)
        self.usage = Usage(database)
        self.keys = Keys(database)

    def pace(self, alone: Pace) -> Pace:
        """Vendors' rate limits shared by all processes on this database; ``alone`` keeps them while it is away."""
        return SharedPace(self._database, alone)

    async def installation(self) -> str:
        """A short name of this database, the same for its whole life: it tells our machines from those of others in an account."""
        async with self._database.read() as connection:
            statement = text("SELECT system_identifier::text || current_database() FROM pg_control_system()")
            identity = (await connection.execute(statement)).scalar_one()
        return hashlib.sha256(str(identity).encode()).hexdigest()[:8]

    async def close(self) -> None:
        """End the listener and all connections."""
        await self.events.close()
        await self._database.close()


async def open_store(dsn: str, *, migrate: bool = True) -> Store:
    """Connect to the database, by default after bringing its schema up to this version.

    Raises:
        InvalidInputError: not a Postgres URL.
        StoreUnavailableError: Postgres does not answer.
        SchemaMismatchError: a newer headrace migrated it.
    """
    if migrate:
        await asyncio.to_thread(upgrade, dsn)
    return Store(Database(dsn))
