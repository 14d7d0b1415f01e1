"""How much demand a set of replicas can serve, exactly, in fractions.

Where every replica has one rate for all it may serve, this is a maximum flow from demands to replicas. Where rates differ by
bucket it is a flow with gains, solved as a linear program by the simplex method.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from fractions import Fraction

Edge = tuple[int, int]


def routable(wanted: Sequence[Fraction], replicas: Sequence[int], rates: Mapping[Edge, Fraction]) -> Fraction:
    """Most tokens/s that can be served.

    Args:
        wanted: tokens/s by demand. replicas: count by placement.
        rates: tokens/s of one replica of the placement on that demand; absent where it may not serve it.
    """
    wanted, rates = _merged(wanted, rates)
    of_column: dict[int, set[Fraction]] = defaultdict(set)
    for (_, column), rate in rates.items():
        of_column[column].add(rate)
    if all(len(found) == 1 for found in of_column.values()):
        capacity = {column: min(found) * replicas[column] for column, found in of_column.items()}
        return _max_flow(list(wanted), capacity, rates)
    return _simplex(wanted, replicas, rates)


def _merged(wanted: Sequence[Fraction], rates: Mapping[Edge, Fraction]) -> tuple[list[Fraction], dict[Edge, Fraction]]:
    """Demands that may use the same replicas at the same rates are one demand."""
    seen: dict[tuple[tuple[int, Fraction], ...], Fraction] = {}
    of_row: dict[int, list[tuple[int, Fraction]]] = defaultdict(list)
    for (row, column), rate in sorted(rates.items()):
        of_row[row].append((column, rate))
    for row, amount in enumerate(wanted):
        key = tuple(of_row[row])
        seen[key] = seen.get(key, Fraction(0)) + amount
    merged = {(row, column): rate for row, key in enumerate(seen) for column, rate in key}
    return list(seen.values()), merged


def _max_flow(left: list[Fraction], room: dict[int, Fraction], edges: Mapping[Edge, Fraction]) -> Fraction:
    """Shortest augmenting paths; their number is bounded by vertices times edges whatever the capacities are."""
    flow: dict[Edge, Fraction] = defaultdict(Fraction)
    of_row: dict[int, list[int]] = defaultdict(list)
    for row, column in edges:
        of_row[row].append(column)
    total = Fraction(0)
    while (path := _augmenting(left, room, of_row, flow)) is not None:
        forward, backward = path[0::2], path[1::2]
        amount = min(left[forward[0][0]], room[forward[-1][1]], *(flow[edge] for edge in backward))
        for edge in forward:
            flow[edge] += amount
        for edge in backward:
            flow[edge] -= amount
        left[forward[0][0]] -= amount
        room[forward[-1][1]] -= amount
        total += amount
    return total


def _augmenting(
    left: list[Fraction], room: Mapping[int, Fraction], of_row: Mapping[int, list[int]], flow: Mapping[Edge, Fraction]
) -> list[Edge] | None:
    """Edges from an unserved demand to a free replica, forward and backward in turn; None where no path is left."""
    rows = deque(row for row, amount in enumerate(left) if amount > 0)
    came: dict[int, Edge | None] = dict.fromkeys(rows)
    reached: dict[int, int] = {}
    while rows:
        row = rows.popleft()
        for column in of_row.get(row, ()):
            if column in reached:
                continue
            reached[column] = row
            if room[column] > 0:
                return _path(row, column, came)
            for (other, taken), amount in list(flow.items()):
                if taken == column and amount > 0 and other not in came:
                    came[other] = (row, column)
                    rows.append(other)
    return None


def _path(row: int, column: int, came: Mapping[int, Edge | None]) -> list[Edge]:
    path = [(row, column)]
    while (before := came[row]) is not None:
        path += [(row, before[1]), before]
        row = before[0]
    return path[::-1]


def _simplex(wanted: Sequence[Fraction], replicas: Sequence[int], rates: Mapping[Edge, Fraction]) -> Fraction:
    """maximise sum t  s.t.  sum_c t[r, c] <= wanted[r],  sum_r t[r, c] / rate[r, c] <= replicas[c],  t >= 0; Bland's rule."""
    edges = sorted(rates)
    rows = [[*(Fraction(edge[0] == r) for edge in edges), amount] for r, amount in enumerate(wanted)]
    rows += [[*(1 / rates[edge] if edge[1] == c else Fraction(0) for edge in edges), Fraction(count)] for c, count in enumerate(replicas)]
    for index, row in enumerate(rows):
        row[-1:-1] = [Fraction(index == slack) for slack in range(len(rows))]
    gain = [Fraction(1)] * len(edges) + [Fraction(0)] * (len(rows) + 1)
    while (entering := next((j for j, value in enumerate(gain[:-1]) if value > 0), None)) is not None:
        # Bland: among the tightest rows the one whose basic variable comes first; a row's basic variable is its unit column.
        ratios = [(row[-1] / row[entering], i) for i, row in enumerate(rows) if row[entering] > 0]
        leaving = min(ratios)[1]
        pivot = rows[leaving][entering]
        rows[leaving] = [value / pivot for value in rows[leaving]]
        for row in [*(row for i, row in enumerate(rows) if i != leaving), gain]:
            if factor := row[entering]:
                row[:] = [value - factor * base for value, base in zip(row, rows[leaving], strict=True)]
    return -gain[-1]
