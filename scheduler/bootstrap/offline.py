"""A plan without a running control plane: read the configured feeds once, decide in this process, store nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from scheduler.api.declare import Market, declare
from scheduler.api.plans import Preview, tell
from scheduler.api.schema import parse_fleet
from scheduler.bootstrap.registry import load_providers
from scheduler.bootstrap.settings import Settings
from scheduler.bootstrap.wire import system_clock
from scheduler.control.decide import decide
from scheduler.control.suppose import suppose
from scheduler.domain.lifecycle import ClusterState
from scheduler.domain.offer import Offer
from scheduler.domain.ports import Limits
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import Fleet, Workload
from scheduler.inventory.assemble import World, snapshot_of
from scheduler.inventory.pace import LocalPace
from scheduler.optimizer import SolveSettings
from scheduler.planner import PlanContext


async def offline_preview(document: object, settings: Settings, what_if: Sequence[str] = ()) -> dict[str, Any]:
    """The preview of a fleet file against the configured feeds, as the API would answer it; every cluster counts as ready."""
    now = system_clock()
    offers: list[Offer] = []
    limits = Limits()
    for provider in load_providers([given.as_settings() for given in settings.providers], os.environ, system_clock, LocalPace()):
        async for page in provider.offers.read_offers():
            offers += page.offers
        if provider.limits is not None:
            read = await provider.limits.read_limits()
            limits = Limits(limits.quotas + read.quotas, limits.reservations + read.reservations)
    declaration = declare(parse_fleet(document), Market.of(offers), Workload(), (), now.date())
    clusters = tuple(replace(cluster, state=ClusterState.READY) for cluster in declaration.clusters)
    places = {(cluster.provider, cluster.account, cluster.region) for cluster in clusters}
    near = [offer for offer in offers if (offer.provider, offer.account, offer.region) in places]
    snapshot = snapshot_of(World(near, (), limits, {}, declaration.workload, Fleet(clusters=clusters)), now)
    context = PlanContext(f"p{now:%y%m%d%H%M%S}", now, 0, "preview without a control plane")
    found: dict[str, Any] = TypeAdapter(Preview).dump_python(_told(snapshot, what_if, context), mode="json")
    return found


def _told(snapshot: Snapshot, what_if: Sequence[str], context: PlanContext) -> Preview:
    solving = SolveSettings(exact_reasons=8, max_bindings=12)
    if not what_if:
        return tell(decide(snapshot, (), context, solving), stored=False)
    supposed = suppose(snapshot, what_if, (), context, solving)
    return tell(supposed.decision, stored=False, comparison=supposed.comparison)
