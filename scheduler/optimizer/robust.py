"""What a whole fleet must withstand, written into the rules of its deployments, so that nothing after this knows of it."""

from __future__ import annotations

from dataclasses import replace

from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import Deployment, Robust


def with_robust(snapshot: Snapshot) -> Snapshot:
    """The snapshot with every deployment's headroom and stockout share at least as large as the fleet's."""
    if snapshot.robust == Robust():
        return snapshot
    deployments = tuple(_robust(deployment, snapshot.robust) for deployment in snapshot.deployments)
    return replace(snapshot, deployments=deployments, robust=Robust())


def _robust(deployment: Deployment, least: Robust) -> Deployment:
    share = max(deployment.rules.stockout_share, least.stockout_share)
    rules = replace(deployment.rules, stockout_share=share)
    return replace(deployment, rules=rules, headroom=max(deployment.headroom, least.demand_growth))
