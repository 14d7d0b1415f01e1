"""A lower bound on the cost of every plan that serves as much as this one, from the multipliers of a certificate.

Linking rows and shared limits are priced instead of held (Lagrangian relaxation; Fisher, *The Lagrangian Relaxation Method for
Solving Integer Programming Problems*, Management Science 1981). With pi >= 0 per accelerator of a pool and rho >= 0 per unit of a
resource

    bound = sum_d v_d(pi) + sum_p min(0, most_p * (P_p + sum_r rho_r a_rp - G_p pi_p)) - sum_r rho_r b_r

holds for any multipliers. They are rounded to whole micro-USD before anything is computed, and everything after that is integer
arithmetic, with every v_d rounded down to a number that branch and bound proved: there is no rounding error to allow for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from scheduler.verifier.claims import Certificate, Plan
from scheduler.verifier.options import Derived
from scheduler.verifier.reading import BadDocumentError
from scheduler.verifier.rows import rows_of
from scheduler.verifier.search import MOST_NODES, least_cost


@dataclass(frozen=True, slots=True)
class Bound:
    """The bound with its parts, micro-USD per hour.

    Attributes:
        deployments: sum of v_d. pools: what relaxed node counts give back (<= 0). resources: what priced limits give back (<= 0).
        inexact: deployments whose search ended at its limit, so that v_d is a bound of its own.
    """

    deployments: int
    pools: int
    resources: int
    inexact: tuple[str, ...]
    nodes: int

    @property
    def total(self) -> int:
        return max(0, self.deployments + self.pools + self.resources)


def lower_bound(derived: Derived, plan: Plan, certificate: Certificate, most_nodes: int = MOST_NODES) -> Bound:
    """The bound that these multipliers prove.

    Raises:
        BadDocumentError: the certificate prices a pool or resource that the problem does not have.
    """
    rows, right = _resources(derived)
    for name in certificate.pools:
        if name not in derived.pools:
            raise BadDocumentError(f"certificate: the problem has no pool {name}")
    for name in certificate.resources:
        if name not in right:
            raise BadDocumentError(f"certificate: the problem has no limit {name}")
    pools = 0
    for pool in derived.pools.values():
        priced = sum(certificate.resources.get(name, 0) * units for name, units in rows[pool.id])
        reduced = pool.effective + priced - pool.offer.kind.accelerators * certificate.pools.get(pool.id, 0)
        pools += min(0, pool.most * reduced)
    resources = -sum(price * right[name] for name, price in certificate.resources.items())
    total, nodes, inexact = 0, 0, []
    for deployment in derived.world.deployments:
        unserved = plan.unserved(deployment.id)
        found = least_cost(rows_of(derived, deployment, certificate, unserved, plan.short(deployment.id)), most_nodes)
        total += found.bound
        nodes += found.nodes
        if not found.exact:
            inexact.append(deployment.id)
    return Bound(total, pools, resources, tuple(inexact), nodes)


def _resources(derived: Derived) -> tuple[dict[str, list[tuple[str, int]]], dict[str, int]]:
    """For every pool the (resource, units per node) it draws on, and for every resource how much there is."""
    rows: dict[str, list[tuple[str, int]]] = defaultdict(list)
    right: dict[str, int] = {}
    existing: dict[str, int] = defaultdict(int)
    for pool in derived.pools.values():
        if pool.reservation:
            rows[pool.id].append((f"reservation:{pool.reservation}", 1))
        else:
            existing[pool.offer.id] += pool.existing
    for offer in derived.world.offers:
        if offer.cap is not None:
            right[f"offer:{offer.id}"] = existing[offer.id] + offer.cap
    for reservation in derived.world.reservations:
        right[f"reservation:{reservation.id}"] = reservation.count
    for quota in derived.world.quotas:
        right[f"quota:{quota.id}"] = quota.left
    for pool in derived.pools.values():
        if pool.reservation:
            continue
        if f"offer:{pool.offer.id}" in right:
            rows[pool.id].append((f"offer:{pool.offer.id}", 1))
        rows[pool.id] += [(f"quota:{quota.id}", units) for quota in derived.world.quotas if (units := quota.units(pool.offer))]
    return rows, right
