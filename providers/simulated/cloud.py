"""A simulated cloud in memory: the provider ports directly on a market, for simulations on a fake clock.

Machines here are records, not processes. No I/O, no threads; time comes from the clock given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from providers.simulated.base import ACCOUNT, capabilities
from providers.simulated.holding import Happening, Holding, MarketEvent, Refusal, RefusedError
from providers.simulated.market import Market
from providers.simulated.record import machine_name
from scheduler.domain.errors import NoSuchError, NotFoundError, QuotaExceededError, StockoutError, TransientError
from scheduler.domain.events import EventKind, Notice
from scheduler.domain.offer import Offer, offer_id
from scheduler.domain.ports import Clock, CloudNode, LaunchRequest, Limits, OfferPage, Provider


@dataclass(slots=True)
class Faults:
    """What goes wrong next; each count is used up by one call.

    Attributes:
        ambiguous_launches: launches that succeed but answer with a transient error.
        failed_launches: launches that fail with a transient error and rent nothing.
        failed_reads: walks over offers that break off at once.
        down: every call fails: the cloud's API is out.
    """

    ambiguous_launches: int = 0
    failed_launches: int = 0
    failed_reads: int = 0
    down: bool = False


class SimulatedCloud:
    """One cloud of a market. Several may share one market; each applies only its own cloud's events."""

    def __init__(self, cloud: str, market: Market, clock: Clock, account: str = ACCOUNT) -> None:
        self.cloud, self.market, self._clock, self._account = cloud, market, clock, account
        self.faults = Faults()
        self._nodes: dict[str, CloudNode] = {}

    def as_provider(self) -> Provider:
        """This cloud as the composition root wants it; notices are read from outside the node here."""
        abilities = replace(capabilities(self.cloud), notices=True)
        return Provider(self.cloud, self._account, f"{self.cloud} (simulated)", abilities, self, self, self, self)

    def advance(self) -> None:
        """Bring the market to the present and note what it took back."""
        self.apply(self.market.step(self._clock()))
        held = {holding.machine for holding in self.market.holdings(self.cloud)}
        for node in self._nodes.values():
            # Another cloud of the same market may have made the step; what is no longer rented is gone.
            if node.running and node.provider_node_id not in held:
                self._nodes[node.provider_node_id] = replace(node, running=False, state="reclaimed")

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Take events of this cloud, from ``market.step`` or from a scripted interruption."""
        for event in events:
            node = self._nodes.get(event.holding.machine)
            if node is not None and event.kind is Happening.RECLAIMED:
                self._nodes[node.provider_node_id] = replace(node, running=False, state="reclaimed")

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One complete page per region."""
        self._answer()
        if self.faults.failed_reads > 0:
            self.faults.failed_reads -= 1
            raise TransientError(self.cloud, "the simulated API broke off")
        by_region: dict[str, list[Offer]] = {}
        for offer in self.market.offers(self.cloud):
            by_region.setdefault(offer.region, []).append(replace(offer, account=self._account))
        for region, offers in sorted(by_region.items()):
            yield OfferPage(region, tuple(offers), complete=True)

    async def read_limits(self) -> Limits:
        """Quotas in GPUs."""
        self._answer()
        return Limits(tuple(replace(quota, account=self._account) for quota in self.market.quotas(self.cloud)))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Rent a machine; idempotent by token. Raises StockoutError, QuotaExceededError, NotFoundError, TransientError."""
        self._answer()
        machine = machine_name(self.cloud, request.launch_token)
        if machine in self._nodes:
            return self._nodes[machine]
        if self.faults.failed_launches > 0:
            self.faults.failed_launches -= 1
            raise TransientError(self.cloud, "the simulated launch failed")
        offer = request.offer
        inside = offer_id(self.cloud, ACCOUNT, offer.region, offer.zone, offer.instance_type.name, offer.capacity_type)
        holding = Holding(machine, inside, request.launch_token, self._clock(), request.node, request.cluster)
        try:
            self.market.allocate(inside, holding)
        except RefusedError as error:
            kind = QuotaExceededError if error.refusal is Refusal.QUOTA else StockoutError
            raise kind(self.cloud, str(error), error.refusal.value) from error
        except NoSuchError as error:
            raise NotFoundError(self.cloud, str(error)) from error
        node = CloudNode(machine, request.launch_token, True, offer.region, offer.zone, state="running")
        self._nodes[machine] = node
        if self.faults.ambiguous_launches > 0:
            self.faults.ambiguous_launches -= 1
            raise TransientError(self.cloud, "the simulated launch timed out after it succeeded")
        return node

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines with this token, ended ones included."""
        self._answer()
        return tuple(node for node in self._nodes.values() if node.launch_token == launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine ever rented here."""
        self._answer()
        return tuple(self._nodes.values())

    async def terminate(self, node: CloudNode) -> None:
        """Give it back. Idempotent."""
        self._answer()
        known = self._nodes.get(node.provider_node_id)
        if known is not None and known.running:
            self.market.release(known.provider_node_id)
            self._nodes[known.provider_node_id] = replace(known, running=False, state="terminated")

    async def read_notices(self) -> Sequence[tuple[str, Notice]]:
        """Every machine under notice."""
        self._answer()
        return tuple(
            (held.machine, Notice("", EventKind.INTERRUPTION_NOTICE, held.deadline, f"{self.cloud} takes it back", held.noticed_at))
            for held in self.market.holdings(self.cloud)
            if held.deadline is not None and held.noticed_at is not None
        )

    def _answer(self) -> None:
        """Every call sees the present, unless the API is out."""
        if self.faults.down:
            raise TransientError(self.cloud, "the simulated API is out")
        self.advance()
