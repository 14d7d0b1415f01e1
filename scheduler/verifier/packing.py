"""Whether replicas of given sizes fit a number of equal nodes."""

from __future__ import annotations

from collections.abc import Iterable

SEARCH_STATES = 200_000
"""States looked at before the search gives up; first fit decreasing decides every case whose sizes divide each other."""


def fits(sizes: Iterable[int], node: int, nodes: int) -> bool | None:
    """True or False where it is decided, None where the search gave up.

    Args:
        sizes: accelerators of each part that must lie on one node. node: accelerators of a node.
    """
    order = sorted(sizes, reverse=True)
    if not order:
        return True
    if order[0] > node or sum(order) > node * nodes:
        return False
    if _first_fit(order, node, nodes):
        return True
    return _search(order, node, nodes)


def _first_fit(order: list[int], node: int, nodes: int) -> bool:
    free: dict[int, int] = {node: nodes}
    for size in order:
        left = min((each for each, count in free.items() if count and each >= size), default=None)
        if left is None:
            return False
        free[left] -= 1
        free[left - size] = free.get(left - size, 0) + 1
    return True


def _search(order: list[int], node: int, nodes: int) -> bool | None:
    """Depth first over the multiset of free room; sizes go down, so a state is seen once."""
    start = (0, (node,) * nodes)
    stack, seen = [start], {start}
    while stack:
        index, free = stack.pop()
        if index == len(order):
            return True
        if len(seen) > SEARCH_STATES:
            return None
        for left in set(free):
            if left >= order[index]:
                rest = list(free)
                rest.remove(left)
                state = (index + 1, tuple(sorted((*rest, left - order[index]))))
                if state not in seen:
                    seen.add(state)
                    stack.append(state)
    return False
