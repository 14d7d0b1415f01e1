"""AIBrix's GPU optimizer (``aibrix.gpu_optimizer.optimizer``), one deployment at a time, as it takes one model.

Each allowed (pool, shape) is a GPU type of its own, at the price of its node share; request rates are tokens per second. What it
cannot be told: limits, other deployments, nodes, residency by origin, loss scenarios, spot ceilings, spread.
"""

import logging

from aibrix.gpu_optimizer.optimizer import GPUProfile, Optimizer
from matrix import answer, asked

UNSERVABLE = 1e-6


class Load:
    """Traffic of one class."""

    def __init__(self, index, rate):
        self.signature, self.rate = (index, 0), rate

    def get_signature(self, indexes, error_suppressor=None):
        return self.signature


def main():
    logging.disable(logging.CRITICAL)
    model = asked()["model"]
    placed = {}
    for deployment in model["deployments"]:
        wanted = [amount * (1 + deployment["headroom"]) for amount in deployment["classes"]]
        optimizer = Optimizer(1.0)
        for index in deployment["options"]:
            option = model["options"][index]
            if option["most"] and max(option["rates"], default=0.0) > 0:
                tputs = [[max(rate, UNSERVABLE)] for rate in option["rates"]]
                indexes = [[float(number + 1) for number in range(len(wanted))], [1.0]]
                optimizer.set_profile(GPUProfile(gpu=str(index), cost=option["share_price"] / 1e6, tputs=tputs, indexes=indexes))
        if not wanted or not optimizer.set_workload_distribution([Load(i, rate) for i, rate in enumerate(wanted)], sum(wanted)):
            continue
        placed |= {name: count for name, count in (optimizer.run() or {}).items() if name != "cost" and count}
    answer("optimal for each model alone", placed, None)


main()
