"""Meta's Rebalancer (wheel ``rebalancer``), which assigns a fixed number of objects to containers.

Objects are replicas: for each deployment as many as its cheapest variant (accelerator and shape, by price per token) needs for its
demand with headroom, and for survivability as many as leave the stated share after the loss of a domain. Containers are nodes, as
many of each pool as can be had, at their price. Told to it: node sizes, launch caps (by the number of containers), which pools a
deployment may use, survivability (at most so many of a group in one domain), the price of every node used. It cannot choose the
number or the shape of replicas, and is not told quotas, spot ceilings, spot loss, spread, budgets, pins or the mix of classes.
"""

from matrix import answer, asked
from rebalancer import ProblemSolver
from rebalancer.specs import (
    AvoidAssignmentsSpec,
    CapacitySpec,
    ConstraintSpec,
    GoalSpec,
    GroupCountSpec,
    MinimizeContainersSpec,
    OptimalSolverSpec,
    SolverSpec,
    ToFreeSpec,
)

PARKING = "parking"
NODES_MOST = 12
"""Nodes offered of one pool: every one is a container, and their number times that of the objects is the size of its program."""

ABSOLUTE, HIGHS = 0, 2
"""Enumerations of its interface, which takes numbers for nested ones. Its local search leaves every object parked under a goal on
the price of containers, so its exact solver is used."""


def variant(model, deployment):
    """The shape and options of least price per token that serve every class, with the replicas each class mix needs."""
    by_shape = {}
    for index in deployment["options"]:
        option = model["options"][index]
        if option["most"] and min(option["rates"], default=0.0) > 0:
            by_shape.setdefault(option["shape"], []).append(index)
    if not by_shape:
        return None
    return min(
        by_shape.items(), key=lambda item: min(model["options"][i]["share_price"] / min(model["options"][i]["rates"]) for i in item[1])
    )


def replicas_of(model, deployment, indexes):
    """(count, most in one domain or None)."""
    rates = model["options"][indexes[0]]["rates"]
    load = sum(amount / rate for amount, rate in zip(deployment["classes"], rates, strict=True))
    count = max(deployment["min"], -int(-load * (1 + deployment["headroom"]) // 1), 1)
    if not deployment["survivability"]:
        return count, None
    left = -int(-load * deployment["survivability"][1] // 1)
    count = max(count, 2 * left)
    return count, count - left


def objects(model):
    """Replicas by deployment, the pools each may use (with the option there), and the most of it in one domain, by kind."""
    groups, allowed, most_in = {}, {}, {"zone": {}, "region": {}, "provider": {}}
    for deployment in model["deployments"]:
        chosen = variant(model, deployment)
        if chosen is None:
            continue
        count, most = replicas_of(model, deployment, chosen[1])
        groups[deployment["id"]] = [f"{deployment['id']}#{number}" for number in range(count)]
        allowed[deployment["id"]] = {model["options"][index]["pool"]: index for index in chosen[1]}
        if most is not None:
            most_in[deployment["survivability"][0]][deployment["id"]] = float(most)
    return groups, allowed, most_in


def containers(model, allowed):
    """Nodes by pool."""
    used = sorted({pool for pools in allowed.values() for pool in pools})
    nodes = {pool: [f"{pool}@{number}" for number in range(min(NODES_MOST, model["pools"][pool]["most"]))] for pool in used}
    return {pool: names for pool, names in nodes.items() if names}


def started(model, groups, allowed, nodes):
    """A solver with every replica parked, and the sizes of replicas and nodes."""
    sizes = {name: float(model["options"][min(allowed[group].values())]["gpus"]) for group, names in groups.items() for name in names}
    solver = ProblemSolver(service_name="bench", service_scope="bench")
    solver.set_log_level("ERROR")
    solver.set_object_name("replica").set_container_name("node")
    solver.set_assignment({PARKING: list(sizes), **{name: [] for names in nodes.values() for name in names}})
    solver.add_object_dimension("gpus", sizes)
    room = {name: float(model["pools"][pool]["size"]) for pool, names in nodes.items() for name in names}
    solver.add_container_dimension("gpus", {**room, PARKING: 1e9})
    solver.add_constraint(ConstraintSpec(capacitySpec=CapacitySpec(name="node size", scope="node", dimension="gpus")))
    solver.add_partition("deployment", groups)
    return solver


def restrict(solver, model, told, nodes):
    """Pools that a deployment may use, and survivability."""
    groups, allowed, most_in = told
    solver.add_scope("pool", {**{name: str(pool) for pool, names in nodes.items() for name in names}, PARKING: PARKING})
    avoid = [
        {"object": name, "scopeItems": [str(pool) for pool in nodes if pool not in allowed[group]]}
        for group, names in groups.items()
        for name in names
    ]
    solver.add_constraint(ConstraintSpec(avoidAssignmentsSpec=AvoidAssignmentsSpec(name="allowed", scope="pool", assignments=avoid)))
    domains = {option["pool"]: option["domains"] for option in model["options"]}
    for kind, limits in most_in.items():
        if limits:
            where = {name: domains[pool][kind] for pool, names in nodes.items() for name in names}
            solver.add_scope(kind, {**where, PARKING: PARKING})
            spec = GroupCountSpec(
                name=f"survive {kind}",
                scope=kind,
                partitionName="deployment",
                limit={"type": ABSOLUTE, "globalLimit": 1e9, "groupLimits": limits},
                filter={"itemsBlacklist": [PARKING]},
            )
            solver.add_constraint(ConstraintSpec(groupCountSpec=spec))


def main():
    request = asked()
    model = request["model"]
    groups, allowed, most_in = objects(model)
    nodes = containers(model, allowed)
    solver = started(model, groups, allowed, nodes)
    restrict(solver, model, (groups, allowed, most_in), nodes)
    solver.add_goal(GoalSpec(toFreeSpec=ToFreeSpec(name="placed", containers=[PARKING], dimension="gpus")), 1e6)
    costs = {name: model["pools"][pool]["price"] / 1e6 for pool, names in nodes.items() for name in names}
    spend = MinimizeContainersSpec(name="price", scope="node", dimension="gpus", containerCosts={**costs, PARKING: 0.0})
    solver.add_goal(GoalSpec(minimizeContainersSpec=spend), 1.0)
    exact = OptimalSolverSpec(solveTime=int(request["seconds"]), solverPackage=HIGHS, suppressLogs=True)
    solver.add_solver(SolverSpec(optimalSolverSpec=exact))
    placed = {}
    for name, node in solver.solve()["assignment"].items():
        if node != PARKING:
            index = str(allowed[name.rpartition("#")[0]][int(node.partition("@")[0])])
            placed[index] = placed.get(index, 0) + 1
    answer("its mixed-integer solver over HiGHS" if placed else "nothing assigned within the time", placed, None)


main()
