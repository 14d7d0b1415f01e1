"""Why here and why not there, in a fleet too large to solve again for every question: prices of the bound tell the difference.

A replica somewhere else costs what its block's best answer with it costs more than the best without, at prices that include
what scarce nodes are worth to others. That is the change of the proven bound, and said so.
"""

from __future__ import annotations

import numpy as np

from scheduler.domain.offer import CapacityType
from scheduler.domain.plan import Binding, Placement, Reason, Target, Verdict
from scheduler.domain.units import MICRO, usd_text
from scheduler.domain.workload import EngineShape
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.cover import cover
from scheduler.optimizer.decompose.price import best_answer, cost_at, pick
from scheduler.optimizer.decompose.solve import Decomposed, scarce
from scheduler.optimizer.endpoints import NOT_ROUTED
from scheduler.optimizer.problem import Pool
from scheduler.optimizer.rules import rejected, rejection
from scheduler.optimizer.search import SolveSettings

NODES = 500


def reasons_of(solved: Decomposed, target: Target, settings: SolveSettings) -> tuple[Reason, ...]:
    """Every placement's reason, and the nearest misses of every deployment."""
    by_deployment: dict[str, list[Placement]] = {}
    for placement in target.placements:
        by_deployment.setdefault(placement.deployment, []).append(placement)
    found: list[Reason] = []
    for block in solved.fleet.blocks:
        placed = by_deployment.get(block.deployment.id, [])
        found += [_chosen(solved, block, placement) for placement in placed]
        found += near_misses(solved, block, {placement.pool for placement in placed}, settings.exact_reasons)
    return tuple(found)


def everywhere(solved: Decomposed, deployment: str) -> tuple[Reason, ...]:
    """For one deployment, each pool of the fleet: the rule that forbids it, or what a replica there would cost more."""
    block = next(block for block in solved.fleet.blocks if block.deployment.id == deployment)
    answer = solved.assembly.answers[solved.fleet.blocks.index(block)]
    used = {solved.fleet.pools[block.columns.pool[c]].id for c in answer.columns} if answer else set()
    allowed = {int(pool) for pool in block.columns.pool}
    noes = []
    for index, pool in enumerate(solved.fleet.pools):
        if index not in allowed:
            nos = [no for shape in block.shapes if (no := rejection(block.deployment, pool.offer, pool.cluster, shape)) is not None]
            noes += nos[:1] or [rejected(block.deployment, pool.offer, pool.cluster, "slo", "no engine shape meets the SLO", "a shape")]
    return tuple(near_misses(solved, block, used, len(solved.fleet.pools)) + noes)


def near_misses(solved: Decomposed, block: Block, used: set[str], most: int) -> list[Reason]:
    """Pools that the rules allow and the answer does not use, cheapest per accelerator first."""
    costs = cost_at(block, solved.prices)
    cheapest: dict[int, int] = {}
    for column in np.argsort(costs):
        cheapest.setdefault(int(block.columns.pool[column]), int(column))
    left = [(pool, column) for pool, column in cheapest.items() if solved.fleet.pools[pool].id not in used][:most]
    if not left:
        return []
    bound, answer = best_answer(block, costs, np.inf, NODES)
    least = min(bound, float(costs[answer.columns] @ answer.counts)) if answer is not None else bound
    return [_missed(solved, block, solved.fleet.pools[pool], _with(block, costs, column) - least) for pool, column in left]


def _with(block: Block, costs: np.ndarray[tuple[int], np.dtype[np.float64]], column: int) -> float:
    """USD/h of the block's best answer that has a replica on this column; ``inf`` where its rules allow none."""
    columns = block.columns
    chosen, most = pick(columns.kind, costs, columns.most, block.needed, block.rows, block.alike, columns.kept)
    chosen, most = np.append(chosen, column), np.append(most, max(1, columns.most[column]))
    kind = columns.kind[chosen]
    a, here = block.a[:, kind], np.zeros(len(chosen))
    here[-1] = 1.0
    a, b = np.vstack([here, a]), np.append(1.0, block.b)
    e = np.vstack([np.zeros((1, block.e.shape[1])), block.e])
    groups = np.ascontiguousarray(block.groups[:, kind])
    _, cost, _, y, _ = cover(np.ascontiguousarray(a), e, b, block.own + 1, costs[chosen], block.g, most, groups, np.inf, NODES)
    return float(cost) if y[0] == 0 else float("inf")


def _missed(solved: Decomposed, block: Block, pool: Pool, more: float) -> Reason:
    deployment = block.deployment
    if not np.isfinite(more):
        text = "one replica here breaks a rule of the deployment (spread, spot ceiling, counts or budget) together with the rest"
        return rejected(deployment, pool.offer, pool.cluster, "limits", text, "see its rules")
    micro = round(more * MICRO)
    if micro <= 0:
        return rejected(deployment, pool.offer, pool.cluster, "tie", "costs the same as where it is placed; a tie", "any lower price")
    share = _share(block, pool)
    limit = max(0, round(pool.list_price - micro / share)) if share else 0
    text = f"one replica here makes the proven bound {usd_text(micro, 4)}/h higher, scarce nodes at what they are worth to others"
    change = f"a node price of about {usd_text(limit, 4)}/h instead of {usd_text(pool.list_price, 4)}/h"
    return rejected(deployment, pool.offer, pool.cluster, "cost", text, change)


def _share(block: Block, pool: Pool) -> float:
    size = pool.offer.instance_type.accelerator_count
    fits: list[EngineShape] = [shape for shape in block.shapes if shape.accelerator == pool.offer.instance_type.accelerator]
    return min((shape.accelerators_per_node * shape.nodes / size for shape in fits), default=0.0)


def _chosen(solved: Decomposed, block: Block, placement: Placement) -> Reason:
    pool = next(pool for pool in solved.fleet.pools if pool.id == placement.pool)
    shape = next(shape for shape in block.shapes if shape.id == placement.shape)
    price = float(solved.prices[solved.fleet.pools.index(pool)])
    text = (
        f"{placement.replicas} × {shape.accelerators_per_node} {shape.accelerator} at {usd_text(pool.list_price, 3)}/h a node; "
        f"an accelerator there is worth {usd_text(round(price * MICRO), 3)}/h, what others would give for it counted "
        f"({shape.evidence.value} throughput)"
    )
    if pool.offer.capacity_type is CapacityType.ENDPOINT:
        text += f"; {NOT_ROUTED}"
    return Reason(block.deployment.id, pool.offer.id, pool.cluster.id, Verdict.CHOSEN, "cost", text)


def bindings_of(solved: Decomposed, settings: SolveSettings) -> tuple[Binding, ...]:
    """The scarcest limits. The values are the bound's own prices, an estimate for the first unit more."""
    return tuple(
        Binding(name, f"one more of {name} saves about {usd_text(round(value * MICRO), 4)}/h (dual estimate)", round(value * MICRO))
        for name, value in scarce(solved)[: settings.max_bindings]
    )
