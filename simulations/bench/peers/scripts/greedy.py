"""Two greedy ways: cheapest first within every limit, and cost-greedy scale-up as llm-d's workload variant autoscaler does it.

*cheapest*: deployment by deployment, the option of least cost per token that limits allow, until demand is met, and then whatever
loss scenario is not. *variants*: one variant (accelerator, shape) per deployment is scaled, the one of least cost per token, in
the place where it is cheapest; limits and losses are not known to it (llm-d-incubation/workload-variant-autoscaler, cost-based
scaling of variants). Both are written anew here.
"""

import sys

from matrix import answer, asked


def cheapest(model):
    used = [0] * len(model["pools"])
    free = [[] for _ in model["pools"]]
    drawn = [0] * len(model["limits"])
    of_pool = [[] for _ in model["pools"]]
    for index, limit in enumerate(model["limits"]):
        for pool, units in limit["units"]:
            of_pool[pool].append((index, units))
    placed = {}

    def place(index):
        option = model["options"][index]
        pool = option["pool"]
        if placed.get(index, 0) >= option["most"]:
            return False
        room = [at for at, left in enumerate(free[pool]) if left >= option["per_node"]][: option["nodes"]]
        more = option["nodes"] - len(room)
        if used[pool] + more > model["pools"][pool]["most"]:
            return False
        if any(drawn[limit] + more * units > model["limits"][limit]["right"] for limit, units in of_pool[pool]):
            return False
        used[pool] += more
        for limit, units in of_pool[pool]:
            drawn[limit] += more * units
        room += range(len(free[pool]), len(free[pool]) + more)
        free[pool] += [model["pools"][pool]["size"]] * more
        for at in room:
            free[pool][at] -= option["per_node"]
        placed[index] = placed.get(index, 0) + 1
        return True

    for deployment in model["deployments"]:
        _one(model, deployment, placed, place)
    return placed, used


def _one(model, deployment, placed, place):
    options = model["options"]
    order = sorted(deployment["options"], key=lambda index: _unit(options[index]))
    losses = [(1 + deployment["headroom"], None, None)]
    if deployment["survivability"]:
        kind, share = deployment["survivability"]
        losses += [(share, kind, name) for name in sorted({options[index]["domains"][kind] for index in order})]
    if deployment["spot_loss_share"]:
        groups = sorted({options[index]["spot_group"] for index in order} - {""})
        losses += [(deployment["spot_loss_share"], "spot", name) for name in groups]

    def total():
        return sum(placed.get(index, 0) for index in order)

    def allowed(index):
        if total() >= deployment["max"]:
            return False
        spot = sum(placed.get(each, 0) for each in order if options[each]["spot"]) + 1
        return not options[index]["spot"] or spot <= deployment["spot_ceiling"] * max(total() + 1, deployment["min"])

    for factor, kind, name in losses:
        left = [index for index in order if _group(options[index], kind) != name or kind is None]
        # A replica's time is given to one class after the other, as much as each still needs.
        spare = {index: float(placed.get(index, 0)) for index in left}
        for number, amount in enumerate(deployment["classes"]):
            wanted = factor * amount
            usable = [index for index in left if options[index]["rates"][number] > 0]
            while wanted > 1e-9:
                index = next((each for each in usable if spare[each] > 1e-12), None)
                if index is None:
                    index = next((each for each in usable if allowed(each) and place(each)), None)
                    if index is None:
                        break
                    spare[index] += 1
                rate = options[index]["rates"][number]
                served = min(wanted, spare[index] * rate)
                spare[index] -= served / rate
                wanted -= served
    while total() < deployment["min"] and any(allowed(index) and place(index) for index in order):
        continue


def _group(option, kind):
    return option["spot_group"] if kind == "spot" else option["domains"][kind] if kind else None


def _unit(option):
    best = max(option["rates"], default=0.0)
    return option["share_price"] / best if best > 0 else float("inf")


def variants(model):
    placed = {}
    for deployment in model["deployments"]:
        usable = [index for index in deployment["options"] if max(model["options"][index]["rates"], default=0.0) > 0]
        if not usable:
            continue
        index = min(usable, key=lambda each: _unit(model["options"][each]))
        rates = model["options"][index]["rates"]
        load = sum(
            amount * (1 + deployment["headroom"]) / rate for amount, rate in zip(deployment["classes"], rates, strict=True) if rate > 0
        )
        placed[index] = max(deployment["min"], -int(-load // 1), 1)
    return placed


def main():
    model = asked()["model"]
    if sys.argv[1] == "variants":
        answer("variants", variants(model), None)
        return
    placed, used = cheapest(model)
    answer("greedy", placed, {pool: count for pool, count in enumerate(used) if count})


main()
