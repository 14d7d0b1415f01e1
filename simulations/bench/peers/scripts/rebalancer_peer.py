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


def main():
    request = asked()
    model = request["model"]
    groups, sizes, allowed, most_in = {}, {}, {}, {"zone": {}, "region": {}, "provider": {}}
    option_of = {}
    for deployment in model["deployments"]:
        chosen = variant(model, deployment)
        if chosen is None:
            continue
        count, most = replicas_of(model, deployment, chosen[1])
        names = [f"{deployment['id']}#{number}" for number in range(count)]
        groups[deployment["id"]] = names
        for name in names:
            sizes[name] = float(model["options"][chosen[1][0]]["gpus"])
        allowed[deployment["id"]] = {model["options"][index]["pool"]: index for index in chosen[1]}
        option_of[deployment["id"]] = allowed[deployment["id"]]
        if most is not None:
            most_in[deployment["survivability"][0]][deployment["id"]] = float(most)
    used = {pool for pools in allowed.values() for pool in pools}
    nodes = {pool: [f"{pool}@{number}" for number in range(min(NODES_MOST, model["pools"][pool]["most"]))] for pool in sorted(used)}
    nodes = {pool: names for pool, names in nodes.items() if names}
    domains = {option["pool"]: option["domains"] for option in model["options"]}
    solver = ProblemSolver(service_name="bench", service_scope="bench")
    solver.set_log_level("ERROR")
    solver.set_object_name("replica").set_container_name("node")
    solver.set_assignment({PARKING: list(sizes), **{name: [] for names in nodes.values() for name in names}})
    solver.add_object_dimension("gpus", sizes)
    room = {name: float(model["pools"][pool]["size"]) for pool, names in nodes.items() for name in names}
    solver.add_container_dimension("gpus", {**room, PARKING: 1e9})
    scope = {str(pool): names for pool, names in nodes.items()}
    solver.add_scope("pool", {**{name: pool for pool, names in scope.items() for name in names}, PARKING: PARKING})
    solver.add_partition("deployment", groups)
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
    avoid = [
        {"object": name, "scopeItems": [pool for pool in scope if int(pool) not in allowed[group]]}
        for group, names in groups.items()
        for name in names
    ]
    solver.add_constraint(ConstraintSpec(avoidAssignmentsSpec=AvoidAssignmentsSpec(name="allowed", scope="pool", assignments=avoid)))
    solver.add_constraint(ConstraintSpec(capacitySpec=CapacitySpec(name="node size", scope="node", dimension="gpus")))
    solver.add_goal(GoalSpec(toFreeSpec=ToFreeSpec(name="placed", containers=[PARKING], dimension="gpus")), 1e6)
    costs = {name: model["pools"][pool]["price"] / 1e6 for pool, names in nodes.items() for name in names}
    spend = MinimizeContainersSpec(name="price", scope="node", dimension="gpus", containerCosts={**costs, PARKING: 0.0})
    solver.add_goal(GoalSpec(minimizeContainersSpec=spend), 1.0)
    exact = OptimalSolverSpec(solveTime=int(request["seconds"]), solverPackage=HIGHS, suppressLogs=True)
    solver.add_solver(SolverSpec(optimalSolverSpec=exact))
    assignment = solver.solve()["assignment"]
    placed = {}
    for name, node in assignment.items():
        if node != PARKING:
            index = option_of[name.rpartition("#")[0]][int(node.partition("@")[0])]
            placed[str(index)] = placed.get(str(index), 0) + 1
    answer(
        "its mixed-integer solver over HiGHS" if placed else "nothing assigned within the time",
        placed,
        None,
        parked=sum(node == PARKING for node in assignment.values()),
    )


main()
