"""HiGHS on the whole model; with ``parts`` > 1 on that many random parts of it (POP), each with its share of every limit.

POP: Narayanan et al., *Solving Large-Scale Granular Resource Allocation Problems Efficiently with POP* (SOSP 2021).
"""

import random
import time

import highspy
from matrix import INFINITE, answer, asked, build, counts


def solve(model, seconds, gap, may_miss=False):
    """Everything served at least cost; where nothing serves it all, what is missed has its penalty."""
    matrix, replicas, nodes = build(model, may_miss)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("time_limit", seconds)
    highs.setOptionValue("mip_rel_gap", gap)
    highs.setOptionValue("threads", 1)
    infinite = highs.getInfinity()
    for cost, lower, upper, integer in zip(matrix.cost, matrix.lower, matrix.upper, matrix.integer, strict=True):
        highs.addCol(cost, lower, infinite if upper == INFINITE else upper, 0, [], [])
        if integer:
            highs.changeColIntegrality(highs.getNumCol() - 1, highspy.HighsVarType.kInteger)
    for lower, upper, terms in matrix.rows:
        low, high = (-infinite if lower == -INFINITE else lower), (infinite if upper == INFINITE else upper)
        highs.addRow(low, high, len(terms), [column for column, _ in terms], [value for _, value in terms])
    highs.run()
    info, values = highs.getInfo(), list(highs.getSolution().col_value)
    if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible and not may_miss:
        return solve(model, seconds, gap, True)
    if info.primal_solution_status != 2:
        return str(highs.getModelStatus()), {}, {}, None
    found = counts([values[x] for x in replicas]), counts([values[n] for n in nodes])
    return str(highs.getModelStatus()), *found, info.mip_dual_bound


def part(model, chosen, number, parts):
    """The model of some deployments with their share of every pool and limit; shares of all parts add up to the whole."""

    def share(whole):
        return whole * (number + 1) // parts - whole * number // parts

    kept = [index for deployment in chosen for index in deployment["options"]]
    position = {index: place for place, index in enumerate(kept)}
    return kept, {
        "pools": [{**pool, "most": share(pool["most"])} for pool in model["pools"]],
        "limits": [{**limit, "right": share(limit["right"])} for limit in model["limits"]],
        "options": [model["options"][index] for index in kept],
        "deployments": [{**each, "options": [position[index] for index in each["options"]]} for each in chosen],
    }


def main():
    request = asked()
    model, parts = request["model"], request.get("parts", 1)
    seconds, gap = request["seconds"], request.get("gap", 1e-4)
    if parts == 1:
        status, replicas, nodes, bound = solve(model, seconds, gap)
        answer(status, replicas, nodes, bound)
        return
    deployments = list(model["deployments"])
    random.Random(request["seed"]).shuffle(deployments)  # noqa: S311 (a benchmark's split)
    replicas, nodes, times = {}, {}, []
    for index in range(parts):
        kept, smaller = part(model, deployments[index::parts], index, parts)
        began = time.perf_counter()
        _, placed, used, _ = solve(smaller, seconds / parts, gap)
        times.append(time.perf_counter() - began)
        replicas |= {str(kept[int(place)]): count for place, count in placed.items()}
        for pool, count in used.items():
            nodes[pool] = nodes.get(pool, 0) + count
    answer(f"{parts} parts", replicas, nodes, slowest_part_s=max(times))


main()
