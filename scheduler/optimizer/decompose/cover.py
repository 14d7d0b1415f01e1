"""The smallest question of the decomposition, compiled: the cheapest integer answer to a few covering rows, with a proof.

    minimise    c x + g y
    subject to  A x + E y >= b        x integer, 0 <= x <= u;  y continuous, 0 <= y <= 1

One deployment at given prices is such a question: columns are places for a replica; rows are demand, losses to survive, counts
and ceilings. The continuous columns are elastic: an endpoint paid by the token, and giving the wish up.

Branch and bound over the linear relaxation. The relaxation is solved in its dual, in dictionary form: multipliers w >= 0 of the
rows with A' w <= c and E' w <= g, which w = 0 satisfies since no cost is negative. A branch adds a row, which leaves the
dictionary feasible, so that a child costs a few pivots. Where the node budget ends first, the least bound still open is told.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from scheduler.optimizer.decompose.arrays import EPSILON, Floats, Ints

PIVOTS_MAX = 800
DEPTH_MAX = 40
CRUMB = 1e-7
"""A share of a wish below this is rounding, not giving up."""
SLACK = 1_000_000
"""Labels from here on are slacks of columns; below, multipliers of rows."""


@njit(cache=True, nogil=True)
def _dictionary(a: Floats, e: Floats, b: Floats, c: Floats, g: Floats, spare: int) -> tuple[Floats, Floats, Ints, Ints]:
    """The start: every slack at the side, every multiplier on top, and room for ``spare`` more rows.

    Returns:
        (body float64 [column + elastic, row + spare + 1] with the right side last, gain float64 [row + spare + 1] with minus the
        value last, labels on top int64, labels at the side int64)
    """
    m, n, q = a.shape[0], a.shape[1], e.shape[1]
    body = np.zeros((n + q, m + spare + 1))
    for j in range(n):
        for i in range(m):
            body[j, i] = a[i, j]
        body[j, -1] = c[j]
    for j in range(q):
        for i in range(m):
            body[n + j, i] = e[i, j]
        body[n + j, -1] = g[j]
    gain = np.zeros(m + spare + 1)
    gain[:m] = b
    return body, gain, np.arange(m + spare), SLACK + np.arange(n + q)


@njit(cache=True, nogil=True)
def _climb(body: Floats, gain: Floats, on_top: Ints, at_side: Ints, width: int, limit: float) -> float:
    """Pivot until no multiplier gains, or the value passes ``limit``; returns the value. The first ``width`` columns are in use."""
    sides = body.shape[0]
    for _ in range(PIVOTS_MAX):
        if -gain[-1] >= limit:
            break
        entering, best = -1, EPSILON
        for k in range(width):
            if gain[k] > best:
                entering, best = k, gain[k]
        if entering < 0:
            break
        leaving, least = -1, np.inf
        for j in range(sides):
            if body[j, entering] > EPSILON:
                ratio = body[j, -1] / body[j, entering]
                if ratio < least - 1e-15:
                    leaving, least = j, ratio
        if leaving < 0:
            return np.inf
        _pivot(body, gain, leaving, entering, width)
        on_top[entering], at_side[leaving] = at_side[leaving], on_top[entering]
    return float(-gain[-1])


@njit(cache=True, nogil=True)
def _pivot(body: Floats, gain: Floats, row: int, column: int, width: int) -> None:
    """Exchange one label at the side with one on top."""
    scale = 1.0 / body[row, column]
    for k in range(width):
        body[row, k] *= scale
    body[row, -1] *= scale
    body[row, column] = scale
    for j in range(body.shape[0]):
        factor = body[j, column]
        if j != row and factor != 0.0:
            for k in range(width):
                body[j, k] -= factor * body[row, k]
            body[j, -1] -= factor * body[row, -1]
            body[j, column] = -factor * scale
    factor = gain[column]
    for k in range(width):
        gain[k] -= factor * body[row, k]
    gain[-1] -= factor * body[row, -1]
    gain[column] = -factor * scale


@njit(cache=True, nogil=True)
def _relaxed(gain: Floats, on_top: Ints, width: int, n: int) -> Floats:
    """The relaxation's own x (float64 [column]): what the slacks on top would lose."""
    x = np.zeros(n)
    for k in range(width):
        j = on_top[k] - SLACK
        if 0 <= j < n:
            x[j] = max(0.0, -gain[k])
    return x


@njit(cache=True, nogil=True)
def _multipliers(body: Floats, at_side: Ints, m: int) -> Floats:
    w = np.zeros(m)
    for j in range(body.shape[0]):
        if at_side[j] < m:
            w[at_side[j]] = max(0.0, body[j, -1])
    return w


@njit(cache=True, nogil=True)
def cover(
    a: Floats, e: Floats, b: Floats, own: int, c: Floats, g: Floats, u: Ints, groups: Ints, known: float, nodes_max: int
) -> tuple[float, float, Ints, Floats, Floats]:
    """Solve one question.

    Args:
        a: float64 [row, column]. e: float64 [row, elastic]. b: float64 [row].
        own: how many rows, the first ones, decide whether an answer holds; the others are implied by them.
        c: float64 [column]. g: float64 [elastic]. u: int64 [column].
        groups: int64 [level, column], labels of groups whose sums are branched on, coarse levels first.
        known: cost of an answer that is known already; only better ones are sought.
        nodes_max: most nodes of the search; 0 for the relaxation and a rounded answer.

    Returns:
        (lower bound, cost of the answer, x int64 [column], y float64 [elastic], root multipliers float64 [row]). Where nothing
        better than ``known`` is found the cost is ``inf``.
    """
    m, n = a.shape
    body, gain, on_top, at_side = _dictionary(a, e, b, c, g, 0)
    bound = _climb(body, gain, on_top, at_side, m, np.inf) * (1.0 - 1e-10)
    w = _multipliers(body, at_side, m)
    best, best_x, best_y = np.inf, np.zeros(n, np.int64), np.zeros(e.shape[1])
    if bound >= known:
        return bound, best, best_x, best_y, w
    relaxed = _relaxed(gain, on_top, m, n)
    x = _rounded(a, b, own, c, u, relaxed)
    cost, y = _finish(a, e, b, own, c, g, x)
    if cost < known:
        best, best_x, best_y = cost, x, y
    limit = min(best, known)
    if nodes_max == 0 or bound >= limit * (1.0 - 1e-9):
        return bound, best, best_x, best_y, w
    keep_columns, keep_rows = _worth(a, b, own, c, u, w, relaxed, limit - bound)
    if keep_columns.size == 0:
        # Whatever is better than what is known would have to do without any column.
        x = np.zeros(n, np.int64)
        cost, y = _finish(a, e, b, own, c, g, x)
        if cost < limit:
            best, best_x, best_y = cost, x, y
        return max(bound, min(best, known)), best, best_x, best_y, w
    small = np.empty((keep_rows.size, keep_columns.size))
    for i in range(keep_rows.size):
        for j in range(keep_columns.size):
            small[i, j] = a[keep_rows[i], keep_columns[j]]
    levels = np.empty((groups.shape[0] + 1, keep_columns.size), np.int64)
    for k in range(keep_columns.size):
        levels[: groups.shape[0], k] = groups[:, keep_columns[k]]
        levels[groups.shape[0], k] = k
    proven, found, x, y = _branch(
        small, e[keep_rows], b[keep_rows], own, c[keep_columns], g, u[keep_columns], levels, limit, nodes_max
    )  # fmt: skip
    if found < limit:
        best, best_y = found, y
        best_x = np.zeros(n, np.int64)
        best_x[keep_columns] = x
    return max(bound, min(proven, best, known)), best, best_x, best_y, w


@njit(cache=True, nogil=True)
def _worth(a: Floats, b: Floats, own: int, c: Floats, u: Ints, w: Floats, relaxed: Floats, slack: float) -> tuple[Ints, Ints]:
    """Columns that an answer better than what is known could use, and rows that are their own or tight at the root."""
    m, n = a.shape
    columns = np.zeros(n, np.int64)
    count = 0
    for j in range(n):
        value = c[j]
        for i in range(m):
            value -= a[i, j] * w[i]
        if value <= slack * (1.0 + 1e-9) + 1e-12 and u[j] > 0:
            columns[count] = j
            count += 1
    rows = np.zeros(m, np.int64)
    tall = 0
    for i in range(m):
        value = -b[i]
        for j in range(n):
            value += a[i, j] * relaxed[j]
        if i < own or value <= 1e-6 * (1.0 + abs(b[i])):
            rows[tall] = i
            tall += 1
    return columns[:count], rows[:tall]


@njit(cache=True, nogil=True)
def _branch(
    a: Floats, e: Floats, b: Floats, own: int, c: Floats, g: Floats, u: Ints, levels: Ints, limit: float, nodes_max: int
) -> tuple[float, float, Ints, Floats]:
    """Depth first; the coarsest group with a fractional sum is branched on, upwards first. Returns (bound, cost, x, y)."""
    m, n = a.shape
    best, best_x, best_y = limit, np.zeros(n, np.int64), np.zeros(g.size)
    body0, gain0, top0, side0 = _dictionary(a, e, b, c, g, DEPTH_MAX)
    value = _climb(body0, gain0, top0, side0, m, np.inf)
    bodies = np.empty((DEPTH_MAX + 1, body0.shape[0], body0.shape[1]))
    gains = np.empty((DEPTH_MAX + 1, gain0.size))
    tops = np.empty((DEPTH_MAX + 1, top0.size), np.int64)
    sides = np.empty((DEPTH_MAX + 1, side0.size), np.int64)
    bodies[0], gains[0], tops[0], sides[0] = body0, gain0, top0, side0
    values = np.zeros(DEPTH_MAX + 1)
    values[0] = value
    level, label = np.zeros(DEPTH_MAX + 1, np.int64), np.zeros(DEPTH_MAX + 1, np.int64)
    floor = np.zeros(DEPTH_MAX + 1)
    up_first = np.zeros(DEPTH_MAX + 1, np.bool_)
    tried = np.full(DEPTH_MAX + 1, -1, np.int64)
    depth, nodes, open_bound = 0, 0, np.inf
    while depth >= 0:
        if tried[depth] < 0:
            nodes += 1
            if values[depth] >= best * (1.0 - 1e-9):
                depth -= 1
                continue
            x = _relaxed(gains[depth], tops[depth], m + depth, n)
            at, j, below = _fraction(x, u, levels)
            if j < 0 or nodes % 4 == 1 or depth == DEPTH_MAX:
                answer = _nearest(x) if j < 0 else _rounded(a, b, own, c, u, x)
                cost, y = _finish(a, e, b, own, c, g, answer)
                if cost < best and (answer <= u).all():
                    best, best_x, best_y = cost, answer, y
            if j < 0 or depth == DEPTH_MAX or nodes >= nodes_max:
                # whatever is left below is no better than this relaxation
                open_bound = min(open_bound, values[depth])
                depth -= 1
                continue
            level[depth], label[depth], floor[depth] = at, j, below
            up_first[depth] = at < levels.shape[0] - 1 or x[j] - below >= 0.3
        tried[depth] += 1
        if tried[depth] > 1:
            tried[depth] = -1
            depth -= 1
            continue
        up = up_first[depth] == (tried[depth] == 0)
        if up and level[depth] == levels.shape[0] - 1 and floor[depth] + 1 > u[label[depth]]:
            continue
        child = depth + 1
        bodies[child], gains[child], tops[child], sides[child] = bodies[depth], gains[depth], tops[depth], sides[depth]
        _add_row(
            bodies[child], gains[child], tops[child], sides[child], m + depth, levels[level[depth]], label[depth],
            floor[depth] + 1 if up else floor[depth], up,
        )  # fmt: skip
        values[child] = _climb(bodies[child], gains[child], tops[child], sides[child], m + child, best)
        depth = child
        tried[depth] = -1
    return min(open_bound, best), best if best < limit else np.inf, best_x, best_y


@njit(cache=True, nogil=True)
def _nearest(x: Floats) -> Ints:
    whole = np.empty(x.size, np.int64)
    for j in range(x.size):
        whole[j] = int(np.round(x[j]))
    return whole


@njit(cache=True, nogil=True)
def _add_row(body: Floats, gain: Floats, on_top: Ints, at_side: Ints, place: int, labels: Ints, label: int, bound: float, up: bool) -> None:
    """Put the row sum x_j >= bound (up) or -sum x_j >= -bound over a group on top: the sum of its slacks' columns, or minus that."""
    sign = 1.0 if up else -1.0
    on_top[place] = place
    for i in range(body.shape[0]):
        j = at_side[i] - SLACK
        body[i, place] = sign if 0 <= j < labels.size and labels[j] == label else 0.0
    gain[place] = sign * bound
    for k in range(place):
        j = on_top[k] - SLACK
        if 0 <= j < labels.size and labels[j] == label:
            for i in range(body.shape[0]):
                body[i, place] += sign * body[i, k]
            gain[place] += sign * gain[k]


@njit(cache=True, nogil=True)
def _fraction(x: Floats, u: Ints, levels: Ints) -> tuple[int, int, float]:
    """(level, label, whole part) of what to branch on: a column that passes its most, else the group of the coarsest level whose
    sum is nearest to a half; label -1 where all is whole."""
    last = levels.shape[0] - 1
    for j in range(x.size):
        if x[j] > u[j] + 1e-6:
            return last, j, float(u[j])
    sums = np.zeros(levels.max() + 1)
    for at in range(last + 1):
        sums[:] = 0.0
        for j in range(x.size):
            sums[levels[at, j]] += x[j]
        chosen, most = -1, 1e-6
        for label in range(sums.size):
            part = sums[label] - np.floor(sums[label])
            if min(part, 1.0 - part) > most:
                chosen, most = label, min(part, 1.0 - part)
        if chosen >= 0:
            return at, chosen, np.floor(sums[chosen])
    return last, -1, 0.0


@njit(cache=True, nogil=True)
def _rounded(a: Floats, b: Floats, own: int, c: Floats, u: Ints, relaxed: Floats) -> Ints:
    """The relaxation's answer rounded down, then the most useful column again and again, then what turned out superfluous left out."""
    n = a.shape[1]
    x = np.empty(n, np.int64)
    res = b.copy()
    for j in range(n):
        x[j] = min(u[j], int(np.floor(relaxed[j] + 1e-6)))
        if x[j] > 0:
            for i in range(own):
                res[i] -= a[i, j] * x[j]
    for _ in range(512):
        if not _lacking(res, b, own):
            break
        chosen, value = -1, 0.0
        for j in range(n):
            if x[j] >= u[j]:
                continue
            gained = 0.0
            for i in range(own):
                if res[i] > EPSILON and a[i, j] > 0.0:
                    gained += min(a[i, j], res[i]) / max(b[i], 1.0 if b[i] <= EPSILON else EPSILON)
            if gained > 0.0:
                worth = gained / (c[j] * (1.2 - min(1.0, relaxed[j] - np.floor(relaxed[j] + 1e-6))) + EPSILON)
                if worth > value:
                    chosen, value = j, worth
        if chosen < 0:
            break
        x[chosen] += 1
        for i in range(own):
            res[i] -= a[i, chosen]
    for j in np.argsort(-c):
        while x[j] > 0:
            fits = True
            for i in range(own):
                if res[i] + a[i, j] > EPSILON * (1.0 + abs(b[i])):
                    fits = False
                    break
            if not fits:
                break
            x[j] -= 1
            for i in range(own):
                res[i] += a[i, j]
    return x


@njit(cache=True, nogil=True)
def _lacking(res: Floats, b: Floats, own: int) -> bool:
    for i in range(own):  # noqa: SIM110 - compiled
        if res[i] > EPSILON * (1.0 + abs(b[i])):
            return True
    return False


@njit(cache=True, nogil=True)
def _finish(a: Floats, e: Floats, b: Floats, own: int, c: Floats, g: Floats, x: Ints) -> tuple[float, Floats]:
    """(cost of ``x`` once the cheapest single elastic column covers what it lacks, y); ``inf`` where none can."""
    res, cost = b.copy(), 0.0
    for j in range(x.size):
        if x[j] > 0:
            cost += c[j] * x[j]
            for i in range(own):
                res[i] -= a[i, j] * x[j]
    y = np.zeros(g.size)
    if not _lacking(res, b, own):
        return cost, y
    best, which, share = np.inf, -1, 0.0
    for k in range(g.size):
        needed = 0.0
        for i in range(own):
            if res[i] > EPSILON * (1.0 + abs(b[i])):
                needed = max(needed, res[i] / e[i, k] if e[i, k] > EPSILON else np.inf)
        if needed <= 1.0 + 1e-9 and g[k] * needed < best:
            best, which, share = g[k] * needed, k, min(1.0, needed)
    if which >= 0:
        if share < CRUMB:
            return cost, y
        y[which] = share
    return cost + best, y
