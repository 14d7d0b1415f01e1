"""The next decision from the last one: what a change touches is placed anew, the rest stays where it is.

The old prices prove a bound for the new problem too, any prices do; and they tell what scarce nodes are worth while the touched
deployments look for a place.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer.decompose.assemble import TASTES, Assembly, insert, sweep
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.fleet import FleetArrays, fleet_arrays
from scheduler.optimizer.decompose.master import Known, Scarcity, ask
from scheduler.optimizer.decompose.price import Answer
from scheduler.optimizer.decompose.solve import LAST_NODES, SAFETY, Decomposed

SWEEPS = 3
ROUND = 1e-9


def again(last: Decomposed, snapshot: Snapshot) -> Decomposed:
    """Decide on a changed snapshot, starting from the last decision."""
    began = perf_counter()
    fleet = fleet_arrays(snapshot, last.fleet)
    built = perf_counter()
    index_of = {block.deployment.id: index for index, block in enumerate(last.fleet.blocks)}
    known, assembly = Known.of(fleet), Assembly(fleet)
    touched: list[int] = []
    certain: dict[int, float] = {}
    for index, block in enumerate(fleet.blocks):
        before = index_of.get(block.deployment.id)
        if before is None:
            touched.append(index)
            continue
        was, old = last.fleet.blocks[before], last.assembly.answers[before]
        if was is block and len(fleet.limits) == len(last.fleet.limits):
            certain[index] = float(last.bounds[before])
        if was.rows is block.rows:  # the same columns, perhaps with other costs
            known.answers[index] = last.known.answers[before]
        answer = carried(was, old, block) if old is not None else None
        if answer is None or was.rows is not block.rows:
            touched.append(index)
        if answer is not None:
            assembly.put(index, answer)
    touched += _crowded(fleet, assembly)
    scarcity = _grown(last.scarcity, fleet)
    prices = scarcity.prices(fleet)
    for index in dict.fromkeys(touched):
        if assembly.answers[index] is None:
            assembly.put(index, insert(assembly, index, prices, TASTES[5]))
    for taste in TASTES[5 : 5 + SWEEPS]:
        for index, answer in sweep(assembly, prices, taste, list(dict.fromkeys(touched))):
            known.add(index, answer)
    placed = perf_counter()
    bounds, _ = ask(fleet, prices, known, LAST_NODES, certain)
    bound = max(0.0, (float(bounds.sum()) - scarcity.held(fleet)) * (1 - SAFETY))
    times = {"build": built - began, "place": placed - built, "bound": perf_counter() - placed}
    return Decomposed(fleet, known, scarcity, assembly, bounds, min(bound, assembly.cost()), times)


def carried(old: Block, answer: Answer, block: Block) -> Answer | None:
    """The old answer in the columns of a block made anew; None where it is no answer there."""
    if old is block:
        return answer
    if old.rows is block.rows:
        own = float(block.columns.start[answer.columns] @ answer.counts) + block.give_up * answer.given_up
        return Answer(answer.columns, answer.counts, answer.given_up, own)
    if answer.given_up > 0:
        return None
    room: dict[tuple[int, str], list[int]] = {}
    for column in np.argsort(block.columns.start, kind="stable"):
        place = int(block.columns.pool[column]), block.shapes[block.columns.shape[column]].id
        room.setdefault(place, []).append(int(column))
    counts: dict[int, int] = {}
    for column, count in zip(answer.columns, answer.counts, strict=True):
        left = int(count)
        for here in room.get((int(old.columns.pool[column]), old.shapes[old.columns.shape[column]].id), []):
            more = min(left, int(block.columns.most[here]) - counts.get(here, 0))
            counts[here] = counts.get(here, 0) + more
            left -= more
        if left > 0:
            return None
    columns = np.array(sorted(c for c, n in counts.items() if n > 0), np.int64)
    amounts = np.array([counts[int(c)] for c in columns], np.int64)
    by_kind = np.zeros(block.rows.shape[1], np.int64)
    np.add.at(by_kind, block.columns.kind[columns], amounts)
    if (block.rows @ by_kind < block.wish - ROUND * (1 + np.abs(block.wish))).any() or block.learn(by_kind):
        return None
    return Answer(columns, amounts, 0.0, float(block.columns.start[columns] @ amounts))


def _crowded(fleet: FleetArrays, assembly: Assembly) -> list[int]:
    """Take out, cheapest wish first, whoever holds nodes that are not there any more; returns who."""
    out: list[int] = []
    order = sorted(range(len(fleet.blocks)), key=lambda index: fleet.blocks[index].give_up)
    for index in order:
        nodes = assembly.nodes()
        over = set(np.flatnonzero(nodes > fleet.most + ROUND).tolist())
        for limit in fleet.limits:
            if limit.units @ nodes[limit.pools] > limit.most + ROUND:
                over |= set(limit.pools.tolist())
        if not over:
            break
        answer = assembly.answers[index]
        if answer is not None and over & set(fleet.blocks[index].columns.pool[answer.columns].tolist()):
            assembly.take(index)
            out.append(index)
    return out


def _grown(scarcity: Scarcity, fleet: FleetArrays) -> Scarcity:
    """The same prices with room for pools and limits that are new."""
    pool, limit = np.zeros(len(fleet.pools)), np.zeros(len(fleet.limits))
    pool[: len(scarcity.pool)] = scarcity.pool
    if len(scarcity.limit) == len(limit):
        limit = scarcity.limit
    return Scarcity(pool, limit)
