"""How fast an engine decodes, from first principles: a roofline whose coefficients are fitted to measured rows.

One step of a batch reads the weights that its tokens touch and every sequence's KV cache, computes two operations per active
parameter and token, decoding and the share of prefill that keeps the batch full, and passes activations between the GPUs of a
replica. The terms add up: what overlaps in practice is in the coefficients. ``headrace bench performance`` fits them, and prints how
far off they are for a GPU type that the fit has not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scheduler.domain.accelerator import Accelerator

USABLE_MEMORY = 0.9
BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_EIGHT_BIT = ("H100", "H200", "GH200", "B200", "B300", "GB200", "GB300", "L4-", "L40", "MI3", "RTX4090", "RTX5090", "RTXPRO", "Gaudi")
_FOUR_BIT = ("B200", "B300", "GB200", "GB300", "MI35")


@dataclass(frozen=True, slots=True)
class Network:
    """What of a model decides its speed.

    Attributes:
        parameters_b: all parameters, in billions; active_b: those that one token uses, fewer in a mixture of experts.
        bytes_per_parameter: 2 for 16-bit weights, 1 for 8-bit, 0.5 for 4-bit.
        kv_bytes_per_token: KV cache of one token over all layers, 16-bit.
        hidden: width of the activations that pass between layers.
    """

    parameters_b: float
    active_b: float
    bytes_per_parameter: float
    kv_bytes_per_token: float
    layers: int
    hidden: int

    @property
    def weights_bytes(self) -> float:
        return self.parameters_b * 1e9 * self.bytes_per_parameter

    def read_bytes(self, batch: int) -> float:
        """Weights one step reads: the shared part once, and every expert that at least one token of the batch is routed to."""
        active = self.active_b / self.parameters_b
        return self.weights_bytes * (active + (1 - active) * (1 - (1 - active) ** batch))


@dataclass(frozen=True, slots=True)
class Load:
    """A request size in tokens, with the latency limits on it."""

    input_tokens: int
    output_tokens: int
    ttft_ms: float
    tpot_ms: float

    @property
    def bucket(self) -> str:
        """Name of the size bucket."""
        return f"{self.input_tokens}x{self.output_tokens}"


@dataclass(frozen=True, slots=True)
class Cut:
    """The GPUs one replica takes."""

    gpu: Accelerator
    gpus: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Coefficients of the roofline.

    Attributes:
        layer_s: fixed seconds per layer and step; link_s: more of it for every doubling of the GPUs.
        memory, compute: seconds per second at the data sheet's peak.
        exchange: seconds per 10^12 activation values passed between the GPUs of a replica.
        first_s, prefill, queue: time to first token: fixed, per ideal prefill of the request, per ideal prefill of the whole batch.
    """

    layer_s: float
    link_s: float
    memory: float
    compute: float
    exchange: float
    first_s: float
    prefill: float
    queue: float

    def scaled(self, step: float, first: float) -> Calibration:
        """The same with every step so many times longer, and every first token."""
        of_step = (self.layer_s, self.link_s, self.memory, self.compute, self.exchange)
        of_first = (self.first_s, self.prefill, self.queue)
        return Calibration(*(step * each for each in of_step), *(first * each for each in of_first))


CALIBRATED = Calibration(4.88e-05, 1.27e-05, 1.19, 0.564, 38.0, 0.0849, 1.41, 0.224)
"""Fitted to the measured rows by ``headrace bench performance``."""


def dense(parameters_b: float, bytes_per_parameter: float) -> Network:
    """A grouped-query model of which nothing but its size is known.

    KV cache, layers and width follow the published architectures of Llama 3 8B (128 KiB per token, 32, 4096) and 70B (320 KiB, 80, 8192).
    """
    scale = math.pow(parameters_b / 8.0, 0.42)
    width = math.pow(parameters_b / 8.0, 0.32)
    return Network(
        parameters_b, parameters_b, bytes_per_parameter, 131_072.0 * scale, max(1, round(32 * scale)), max(64, round(4096 * width))
    )


def flops(gpu: Accelerator, bytes_per_parameter: float) -> float:
    """Dense FLOP/s at the weights' precision: each halving doubles them where the silicon has the units; vendors' data sheets."""
    four, eight = gpu.key.startswith(_FOUR_BIT), gpu.key.startswith(_EIGHT_BIT)
    factor = 4.0 if bytes_per_parameter <= 0.5 and four else 2.0 if bytes_per_parameter <= 1 and eight else 1.0
    return gpu.tflops_16bit * 1e12 * factor


def terms(network: Network, cut: Cut, load: Load, batch: int) -> tuple[float, float, float, float, float]:
    """What the coefficients ``layer_s`` to ``exchange`` multiply, so that their sum is the time of one step."""
    doublings = math.log2(cut.gpus)
    context = load.input_tokens + load.output_tokens / 2
    traffic = network.read_bytes(batch) + batch * network.kv_bytes_per_token * context
    tokens = batch * (1 + load.input_tokens / load.output_tokens)
    computed = 2 * network.active_b * 1e9 * tokens / (flops(cut.gpu, network.bytes_per_parameter) * cut.gpus)
    passed = tokens * network.hidden * network.layers * 1e-12 if cut.gpus > 1 else 0.0
    return network.layers, network.layers * doublings, traffic / (cut.gpu.bandwidth_gb_s * 1e9 * cut.gpus), computed, passed


def step_s(network: Network, cut: Cut, load: Load, batch: int, fit: Calibration = CALIBRATED) -> float:
    """Seconds between two output tokens of one sequence in a full batch."""
    layer, link, memory, compute, exchange = terms(network, cut, load, batch)
    return fit.layer_s * layer + fit.link_s * link + fit.memory * memory + fit.compute * compute + fit.exchange * exchange


def first_terms(network: Network, cut: Cut, load: Load, batch: int) -> tuple[float, float, float]:
    """What ``first_s``, ``prefill`` and ``queue`` multiply, so that their sum is the time to the first token."""
    one = 2 * network.active_b * 1e9 * load.input_tokens / (flops(cut.gpu, network.bytes_per_parameter) * cut.gpus)
    return 1.0, one, one * batch


def first_s(network: Network, cut: Cut, load: Load, batch: int, fit: Calibration = CALIBRATED) -> float:
    """Seconds to the first token in a full batch."""
    fixed, one, whole = first_terms(network, cut, load, batch)
    return fit.first_s * fixed + fit.prefill * one + fit.queue * whole


def tokens_per_s(batch: int, output_tokens: int, first: float, step: float) -> float:
    """Output tokens per second of a batch whose requests follow one another: batch x osl / (TTFT + (osl - 1) x TPOT)."""
    return batch * output_tokens / (first + (output_tokens - 1) * step)


def best_rate(network: Network, cut: Cut, load: Load, fit: Calibration = CALIBRATED, batches: tuple[int, ...] = BATCHES) -> float:
    """Output tokens per second of one replica under the limits; 0 where the weights do not fit or one request is too slow already."""
    room = cut.gpu.memory_gib * 2**30 * cut.gpus * USABLE_MEMORY - network.weights_bytes
    most = room / (network.kv_bytes_per_token * (load.input_tokens + load.output_tokens))
    best = 0.0
    for batch in batches:
        if batch > most:
            break
        first, step = first_s(network, cut, load, batch, fit), step_s(network, cut, load, batch, fit)
        if first * 1000 <= load.ttft_ms and step * 1000 <= load.tpot_ms:
            best = max(best, tokens_per_s(batch, load.output_tokens, first, step))
    return best
