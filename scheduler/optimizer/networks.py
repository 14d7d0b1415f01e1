"""Published model architectures whose speed was measured or is modelled: what the roofline needs to know of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scheduler.domain.workload import Model
from scheduler.optimizer.roofline import Network, dense

SIZE_TOLERANCE = 0.08
"""A model counts as one of a family where its size is this close: vendors round."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One published model.

    Attributes:
        family: what a hub id or a model id of it contains, without punctuation.
        name: the name in the performance table.
    """

    family: str
    name: str
    parameters_b: float
    active_b: float
    kv_bytes_per_token: float
    layers: int
    hidden: int

    def network(self, bytes_per_parameter: float) -> Network:
        """At a precision."""
        return Network(self.parameters_b, self.active_b, bytes_per_parameter, self.kv_bytes_per_token, self.layers, self.hidden)


ARCHITECTURES = (
    # family, name, billions of parameters, active ones, KV bytes per token (16-bit), layers, width: the models' published configurations
    Architecture("llama", "Llama-3.1-8B", 8.03, 8.03, 131_072, 32, 4096),
    Architecture("llama", "Llama-3.1-70B", 70.6, 70.6, 327_680, 80, 8192),
    Architecture("llama", "Llama-3.1-405B", 405.0, 405.0, 516_096, 126, 16_384),
    Architecture("qwen3", "Qwen3-32B", 32.8, 32.8, 262_144, 64, 5120),
    Architecture("qwen3", "Qwen3-235B-A22B", 235.0, 22.0, 192_512, 94, 4096),
    Architecture("qwen35", "Qwen3.5-397B-A17B", 397.0, 17.0, 30_720, 60, 4096),
    Architecture("gptoss", "gpt-oss-120b", 117.0, 5.1, 73_728, 36, 2880),
    Architecture("minimax", "MiniMax-M2.5", 230.0, 10.0, 253_952, 62, 3072),
    Architecture("deepseek", "DeepSeek-R1", 671.0, 37.0, 70_272, 61, 7168),
    Architecture("kimi", "Kimi-K2.5", 1040.0, 32.0, 70_272, 61, 7168),
    Architecture("glm", "GLM-5", 744.0, 40.0, 89_856, 78, 6144),
    Architecture("mistral", "Mistral-7B", 7.25, 7.25, 131_072, 32, 4096),
    Architecture("mistral", "Mistral-Small-24B", 23.6, 23.6, 163_840, 40, 5120),
    Architecture("qwen25", "Qwen2.5-14B", 14.8, 14.8, 196_608, 48, 5120),
)


def plain(text: str) -> str:
    """Letters and digits only, lower case: ``Qwen/Qwen3.5-397B`` as ``qwenqwen35397b``."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def architecture_of(model: Model) -> Architecture | None:
    """The published architecture that a model is one of, by family and size; None where neither its source nor its id tells."""
    names = (plain(model.source), plain(model.id))
    for found in ARCHITECTURES:
        near = abs(model.parameters_b - found.parameters_b) <= SIZE_TOLERANCE * found.parameters_b
        if near and any(found.family in name for name in names):
            return found
    return None


def network_of(model: Model) -> Network:
    """What the roofline needs to know of a model: its published architecture, or a dense one of its size."""
    found = architecture_of(model)
    return found.network(model.bytes_per_parameter) if found else dense(model.parameters_b, model.bytes_per_parameter)
