"""Whether replicas of given sizes fit a number of equal nodes."""

from __future__ import annotations


def packs(sizes: list[int], node_size: int, nodes: int) -> bool:
    """True if all sizes fit into ``nodes`` bins of ``node_size``.

    First fit decreasing answers almost every case; where it fails and the volume would fit, a depth-first search over
    distinct bin states decides exactly.
    """
    if any(size > node_size for size in sizes) or sum(sizes) > node_size * nodes:
        return False
    order = sorted(sizes, reverse=True)
    if _first_fit(order, [node_size] * nodes):
        return True
    return _search(tuple(order), (node_size,) * nodes, set())


def _first_fit(order: list[int], free: list[int]) -> bool:
    for size in order:
        fit = next((index for index, left in enumerate(free) if left >= size), None)
        if fit is None:
            return False
        free[fit] -= size
    return True


def _search(order: tuple[int, ...], free: tuple[int, ...], seen: set[tuple[int, tuple[int, ...]]]) -> bool:
    if not order:
        return True
    state = (len(order), free)
    if state in seen:
        return False
    seen.add(state)
    size = order[0]
    for left in sorted({left for left in free if left >= size}):
        index = free.index(left)
        after = tuple(sorted((*free[:index], left - size, *free[index + 1 :])))
        if _search(order[1:], after, seen):
            return True
    return False
