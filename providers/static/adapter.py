"""Owned machines as a provider: launching leases one, terminating gives it back.

Nothing is started or stopped on them: how a leased machine joins its cluster is its owner's business (JoinMethod.MANUAL).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from providers.static.inventory import Inventory, offer_of, read_inventory
from providers.static.leases import Lease, LeaseFile
from scheduler.domain.errors import InvalidInputError, NotFoundError, StockoutError
from scheduler.domain.offer import AvailabilityKind, Offer
from scheduler.domain.ports import Capabilities, Clock, CloudNode, JoinMethod, LaunchRequest, OfferPage, Provider, ProviderSettings


class StaticProvider:
    """Offers and leases of one inventory file, which is read anew at each poll."""

    def __init__(self, settings: ProviderSettings, path: Path, leases: LeaseFile, clock: Clock) -> None:
        self._name, self._account, self._regions = settings.name, settings.account, settings.regions
        self._path, self._leases, self._clock = path, leases, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One complete page. Raises InvalidInputError where the file is wrong."""
        inventory, leases = await asyncio.to_thread(self._read)
        taken = {lease.host for lease in leases}
        offers: list[Offer] = []
        for machine in inventory.machines:
            if not self._regions or machine.region in self._regions:
                free = sum(1 for host in machine.hosts if host not in taken)
                offers.append(offer_of(machine, provider=self._name, account=self._account, free=free, now=self._clock()))
        # The file is one scope: a region that was deleted from it is then known to be gone.
        yield OfferPage(self._name, tuple(offers), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Lease a free machine; idempotent by token. Raises StockoutError, NotFoundError."""
        return await asyncio.to_thread(self._lease, request)

    def _lease(self, request: LaunchRequest) -> CloudNode:
        offer = request.offer
        inventory, _ = self._read()
        for machine in inventory.machines:
            if (machine.region, machine.zone or machine.region, machine.name) == (offer.region, offer.zone, offer.instance_type.name):
                lease = self._leases.take(
                    request.launch_token, machine.hosts, machine=machine.name, region=machine.region, zone=machine.zone or machine.region
                )
                if lease is None:
                    raise StockoutError(self._name, f"all {len(machine.hosts)} of {machine.name} in {machine.region} are leased")
                return _node(lease)
        raise NotFoundError(self._name, f"no machines called {offer.instance_type.name} in {offer.zone}")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """The token's lease, if it is in force."""
        return tuple(node for node in await self.list_nodes() if node.launch_token == launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every leased machine."""
        return tuple(_node(lease) for lease in await asyncio.to_thread(self._leases.leases))

    async def terminate(self, node: CloudNode) -> None:
        """Give the lease back. Idempotent."""
        await asyncio.to_thread(self._leases.give_back, node.provider_node_id, node.launch_token)

    def _read(self) -> tuple[Inventory, tuple[Lease, ...]]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(
                "options.file", self._path.name, f"cannot be read: {error.strerror}", "Name a readable file."
            ) from error
        return read_inventory(text, self._path.suffix), self._leases.leases()


def build(settings: ProviderSettings, clock: Clock) -> Provider:
    """The provider. Option ``file`` names the inventory; ``leases`` the lease file, beside it by default.

    Raises:
        InvalidInputError: option ``file`` is missing.
    """
    named = settings.options.get("file", "")
    if not named:
        raise InvalidInputError("options.file", named, "missing", "Name a TOML, YAML or JSON file of your machines.")
    path = Path(named)
    leases = LeaseFile(Path(settings.options.get("leases") or path.with_suffix(".leases.json")))
    adapter = StaticProvider(settings, path, leases, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.COUNT,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.MANUAL,
        freshness_target_s=300,
    )
    return Provider(settings.name, settings.account, f"{settings.name} (owned machines)", abilities, adapter, launcher=adapter)


def _node(lease: Lease) -> CloudNode:
    return CloudNode(lease.host, lease.launch_token, True, lease.region, lease.zone, address=lease.host, state="leased")
