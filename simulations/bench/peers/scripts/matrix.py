"""The whole placement model as one sparse mixed-integer program, for solvers that take a matrix. Standard library only."""

import json
import sys

PENALTY = 20.0
"""Price of a missed token, as a multiple of the dearest allowed way to serve it: far above any real price, yet no numerical trouble."""


class Matrix:
    """Columns (cost, lower, upper, integer) and rows (lower, upper, [(column, coefficient)])."""

    def __init__(self, may_miss):
        self.may_miss = may_miss
        self.cost, self.lower, self.upper, self.integer, self.rows = [], [], [], [], []

    def column(self, cost, upper, integer):
        self.cost.append(cost)
        self.lower.append(0.0)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(self, lower, upper, terms):
        self.rows.append((lower, upper, terms))


INFINITE = float("inf")


def build(model, may_miss=False):
    """Returns the matrix, the column of every option and that of every pool. ``may_miss``: demand may stay unserved, at a penalty."""
    m = Matrix(may_miss)
    nodes = [m.column(pool["price"] / 1e6, pool["most"], True) for pool in model["pools"]]
    replicas, used = [], [{} for _ in nodes]
    for option in model["options"]:
        start = option["start"] / 1e6
        x = m.column(0.0 if option["running"] else start, option["most"], True)
        replicas.append(x)
        if option["running"] and start:
            # Only replicas beyond those that run are started.
            s = m.column(start, option["most"], True)
            m.row(-INFINITE, option["running"], [(x, 1.0), (s, -1.0)])
        used[option["pool"]].setdefault((option["per_node"], option["nodes"]), []).append(x)
    for pool, n, sizes in zip(model["pools"], nodes, used, strict=True):
        if sizes:
            m.row(-INFINITE, 0.0, [(x, float(g * k)) for (g, k), xs in sizes.items() for x in xs] + [(n, -float(pool["size"]))])
            large = [(x, float(k)) for (g, k), xs in sizes.items() for x in xs if 2 * g > pool["size"]]
            if large:
                # Two replicas of more than half a node never share one.
                m.row(-INFINITE, 0.0, [*large, (n, -1.0)])
    for limit in model["limits"]:
        m.row(-INFINITE, float(limit["right"]), [(nodes[pool], float(units)) for pool, units in limit["units"]])
    for deployment in model["deployments"]:
        _deployment(m, deployment, [(replicas[index], model["options"][index]) for index in deployment["options"]])
    return m, replicas, nodes


def _deployment(m, deployment, mine):
    every = [(x, 1.0) for x, _ in mine]
    if every:
        m.row(0.0 if m.may_miss else float(deployment["min"]), float(deployment["max"]), every)
    for cluster in () if m.may_miss else deployment["pins"]:
        m.row(1.0, INFINITE, [(x, 1.0) for x, option in mine if option["cluster"] == cluster])
    shares = [({x for x, option in mine if option["spot"]}, deployment["spot_ceiling"])] if deployment["spot_ceiling"] < 1 else []
    if deployment["spread"]:
        kind, share = deployment["spread"]
        names = sorted({option["domains"][kind] for _, option in mine})
        shares += [({x for x, option in mine if option["domains"][kind] == name}, share) for name in names]
    for group, share in shares:
        m.row(-INFINITE, 0.0, [(x, (x in group) - share) for x, _ in mine])
    if deployment["budget"] is not None:
        m.row(-INFINITE, deployment["budget"] / 1e6, [(x, option["share_price"] / 1e6) for x, option in mine])
    _serve(m, deployment, mine, 1 + deployment["headroom"])
    if deployment["survivability"]:
        kind, share = deployment["survivability"]
        for name in sorted({option["domains"][kind] for _, option in mine}):
            _serve(m, deployment, [(x, option) for x, option in mine if option["domains"][kind] != name], share)
    if deployment["spot_loss_share"]:
        for name in sorted({option["spot_group"] for _, option in mine} - {""}):
            _serve(m, deployment, [(x, option) for x, option in mine if option["spot_group"] != name], deployment["spot_loss_share"])


def _serve(m, deployment, left, factor):
    """Every class of demand, times the factor, is routable over what is left, or missed at the penalty."""
    several = len(deployment["classes"]) > 1
    loads = {x: [(x, -1.0)] for x, _ in left}
    for index, amount in enumerate(deployment["classes"]):
        rated = [(x, option["rates"][index], option) for x, option in left if option["rates"][index] > 0]
        dearest = max((option["share_price"] / 1e6 / rate for _, rate, option in rated), default=1.0) or 1.0
        terms = [(m.column(dearest * PENALTY * amount, factor, False), 1.0)] if m.may_miss else []
        for x, rate, _ in rated:
            if several:
                flow = m.column(0.0, factor, False)
                loads[x].append((flow, amount / rate))
                terms.append((flow, 1.0))
            else:
                terms.append((x, rate / amount))
        m.row(factor, INFINITE, terms)
    if several:
        for terms in loads.values():
            if len(terms) > 1:
                m.row(-INFINITE, 0.0, terms)


def asked():
    """The request on standard input: the neutral model, a time limit in seconds, a seed, and options of the peer."""
    return json.load(sys.stdin)


def answer(status, replicas, nodes, bound_usd_per_h=None, **more):
    """Print the answer: counts by option and by pool (either may be absent), and the solver's own words."""
    print(json.dumps({"status": status, "replicas": replicas, "nodes": nodes, "bound_usd_per_h": bound_usd_per_h, **more}))


def counts(values):
    return {str(index): round(value) for index, value in enumerate(values) if round(value) > 0}
