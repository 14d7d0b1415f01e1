"""The best answer of each block at given prices per accelerator and hour, with the bound that makes the whole bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from scheduler.optimizer.decompose.arrays import Flags, Floats, Ints
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.cover import cover

ROUNDS_MAX = 60
"""Most times an answer is corrected by losses it does not survive; what is left over is a looser bound, never a wrong one."""


@dataclass(frozen=True)
class Answer:
    """What one block would do.

    Attributes:
        columns: int64, indices of the columns used. counts: int64, replicas on each.
        given_up: share of the wish left unserved. own_cost: USD/h of starting and giving up, prices aside.
        holds: False where some loss is not survived; such an answer counts for the bound alone.
    """

    columns: Ints
    counts: Ints
    given_up: float
    own_cost: float
    holds: bool = True


def cost_at(block: Block, prices: Floats) -> Floats:
    """float64 [column]: USD/h of one replica at prices per accelerator (float64 [pool])."""
    return block.columns.accelerators * prices[block.columns.pool] + block.columns.start


def best_answer(block: Block, costs: Floats, known: float, nodes_max: int) -> tuple[float, Answer | None]:
    """(lower bound, an answer cheaper than ``known`` or None) for costs by column (float64 [column])."""
    columns = block.columns
    for _ in range(ROUNDS_MAX):
        chosen, most = pick(columns.kind, costs, columns.most, block.needed, block.rows, block.alike, columns.kept)
        kind = columns.kind[chosen]
        bound, cost, x, y, _ = cover(
            np.ascontiguousarray(block.a[:, kind]), block.e, block.b, block.own,
            costs[chosen], block.g, most, np.ascontiguousarray(block.groups[:, kind]), known, nodes_max,
        )  # fmt: skip
        if not np.isfinite(cost):
            return bound, None
        used = x > 0
        by_kind = np.zeros(block.rows.shape[1], np.int64)
        np.add.at(by_kind, kind[used], x[used])
        if y[0] > 0 or not block.learn(by_kind):
            where = chosen[used]
            own = float(columns.start[where] @ x[used] + block.g[0] * y[0])
            return bound, Answer(where, x[used], float(y[0]), own)
    return bound, None


@njit(cache=True, nogil=True)
def pick(
    kind: Ints, costs: Floats, most: Ints, needed: Ints, rows: Floats, alike: Ints, kept: Flags
) -> tuple[Ints, Ints]:  # fmt: skip
    """Columns worth a look, and how many of each: cheapest first, without those that cheaper ones can replace wherever they help.

    A column replaces another that falls with the same losses (``alike``, int64 [kind]) where it is no worse in any row. The last
    column of a kind may be used without limit: that stands for the dearer ones left out, and the bound holds. What runs already (``kept``,
    bool [column]) replaces nothing and is used no further than it runs.
    """
    order = np.argsort(costs)
    keep = np.zeros(costs.size, np.int64)
    limit = np.zeros(costs.size, np.int64)
    count = 0
    for j in order:
        here = kind[j]
        room = 0
        for k in range(count):
            there = kind[keep[k]]
            if not kept[keep[k]] and alike[there] == alike[here] and (there == here or _no_worse(rows, there, here)):
                room += limit[k]
                if room >= needed[here]:
                    break
        if room < needed[here] and most[j] > 0:
            keep[count] = j
            limit[count] = most[j] if kept[j] or room + most[j] < needed[here] else max(most[j], needed[here] * 2)
            count += 1
    return keep[:count], limit[:count]


@njit(cache=True, nogil=True)
def _no_worse(rows: Floats, there: int, here: int) -> bool:
    for i in range(rows.shape[0]):  # noqa: SIM110 - compiled
        if rows[i, there] < rows[i, here]:
            return False
    return True
