"""Nebius behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import checked_endpoint
from providers.nebius import parse
from providers.nebius.errors import PROVIDER
from providers.nebius.launch import order
from providers.nebius.transport import NebiusApi, Place, Session, credentials
from providers.proofs import proof_of
from providers.rest import budget_of, by_scope, carrying, needed, sifted, timeout_of, understood
from scheduler.domain.errors import InvalidInputError, NotFoundError, ProviderDataError, ProviderError, TransientError
from scheduler.domain.offer import AvailabilityKind, CapacityType
from scheduler.domain.ports import (
    Capabilities,
    Clock,
    CloudNode,
    JoinMethod,
    LaunchRequest,
    OfferPage,
    Pace,
    Provider,
    ProviderSettings,
)


class NebiusProvider:
    """One Nebius tenant, one project in each region that is used."""

    def __init__(self, settings: ProviderSettings, api: NebiusApi, clock: Clock) -> None:
        self._settings, self._api, self._clock = settings, api, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region."""
        async with self._api.open() as session:
            places = await self._places(session)
            with understood(PROVIDER, "resource advice"):
                told = [row for tenant in sorted({place.tenant for place in places.values()}) for row in await session.advice(tenant)]
                advice = parse.advice(told)
            async for page in by_scope(sorted(places), lambda region: self._read_region(session, places[region], advice)):
                yield page

    async def _read_region(self, session: Session, place: Place, advice: parse.Advice) -> OfferPage:
        reading = parse.Reading(self._settings.account, place.region, self._clock(), advice)
        platforms = await session.platforms(place.project)
        pairs = [(platform, preset) for platform in platforms for preset in platform.spec.presets if preset.resources.gpu_count]
        sold = [await self._priced(session, place, *pair) for pair in pairs]
        offers, bad = sifted(place.region, sold, lambda row: row.name, lambda row: parse.offers(reading, row))
        return OfferPage(place.region, tuple(offers), tuple(bad), complete=True)

    async def _priced(self, session: Session, place: Place, platform: Any, preset: Any) -> parse.Sold:
        kinds = [CapacityType.ON_DEMAND, *([CapacityType.SPOT] if platform.status.allowed_for_preemptibles else [])]
        names = platform.metadata.name, preset.name
        costs: dict[CapacityType, str] = {}
        try:
            for kind in kinds:
                costs[kind] = parse.hourly_usd(await session.estimate(place.project, *names, preemptible=kind.revocable))
        except (ValueError, ProviderDataError) as error:
            return parse.Sold(platform, preset, {}, f"no price: {error}")
        return parse.Sold(platform, preset, costs)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one instance, once, and wait: only its operation tells a stockout. Idempotent by key.

        Raises the ProviderError family, InvalidInputError.
        """
        wanted, region = order(request, self._settings.options), request.offer.region
        async with self._api.open() as session:
            places = await self._places(session)
            if region not in places:
                raise InvalidInputError("options.projects", region, "no project lies in this region", "Name one.")
            operation = await session.create(places[region].project, wanted)
            try:
                await session.finished(operation)
            except TransientError:
                raise  # it may well come up: the caller looks for the token
            except ProviderError:
                with contextlib.suppress(ProviderError):
                    await session.delete(operation.resource_id)
                raise
            return CloudNode(operation.resource_id, request.launch_token, True, region, region, state="STARTING")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances labelled with the token."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance of our projects that carries our label."""
        found: list[CloudNode] = []
        async with self._api.open() as session:
            for region, place in (await self._places(session)).items():
                with understood(PROVIDER, f"instances of {region}"):
                    found += [parse.node(region, row) for row in await session.instances(place.project)]
        return tuple(node for node in found if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Delete it with its disk; one that is gone is no error."""
        async with self._api.open() as session:
            with contextlib.suppress(NotFoundError):
                await session.delete(node.provider_node_id)

    async def _places(self, session: Session) -> Mapping[str, Place]:
        """Our projects by region."""
        named = needed(self._settings.options, "projects", "Write the ids of your projects, comma separated, one in each region.")
        places = [await session.place(project.strip()) for project in named.split(",")]
        regions = [place.region for place in places]
        twice = sorted({region for region in regions if regions.count(region) > 1})
        if twice:
            raise InvalidInputError("options.projects", named, f"two projects in {', '.join(twice)}", "Keep one per region.")
        return {place.region: place for place in places if not self._settings.regions or place.region in self._settings.regions}


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    endpoint = checked_endpoint("endpoint", settings.endpoint) if settings.endpoint else ""
    limit = budget_of(settings, "", per_s=10, burst=20)
    api = NebiusApi(endpoint, credentials(settings.options, environ), pace, limit, timeout_of(settings))
    adapter = NebiusProvider(settings, api, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BUCKET,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=900,
    )
    return Provider(settings.name, settings.account, "Nebius", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
