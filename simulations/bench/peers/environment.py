"""An environment of its own for every peer, made once under the user's cache folder and used again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_dir

INSTALL_TIMEOUT_S = 600


class UnavailableError(Exception):
    """A peer cannot be had on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Wheels:
    """What a peer needs.

    Attributes:
        requirements: from the default index. bare: of them, those whose own dependencies are not wanted.
        python: least minor version of Python 3.
    """

    name: str
    requirements: tuple[str, ...]
    bare: tuple[str, ...] = ()
    python: int = 11


def interpreter(wheels: Wheels) -> str:
    """The Python of the peer's environment, which is created where it does not exist.

    Raises:
        UnavailableError: no such interpreter, or a wheel cannot be installed.
    """
    folder = Path(user_cache_dir("headrace")) / "peers" / wheels.name
    python, done = folder / "bin" / "python", folder / "complete"
    wanted = "\n".join((*wheels.requirements, *wheels.bare))
    if done.is_file() and done.read_text() == wanted and python.exists():
        return str(python)
    shutil.rmtree(folder, ignore_errors=True)
    base = _base(wheels.python)
    uv = shutil.which("uv")
    _run([uv, "venv", "--quiet", "--python", base, str(folder)] if uv else [base, "-m", "venv", str(folder)])
    install = [uv, "pip", "install", "--quiet", "--python", str(python)] if uv else [str(python), "-m", "pip", "install", "--quiet"]
    if wheels.bare:
        _run([*install, "--no-deps", *wheels.bare])
    if wheels.requirements:
        _run([*install, *wheels.requirements])
    done.write_text(wanted)
    return str(python)


def _base(minor: int) -> str:
    """An interpreter of at least this minor version: this one, or one on the path, or one that pyenv keeps."""
    if sys.version_info.minor >= minor:
        return sys.executable
    kept = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin/python"))
    for candidate in [*(f"python3.{each}" for each in range(minor, minor + 4)), *map(str, kept)]:
        path = shutil.which(candidate)
        if path is None:
            continue
        told = subprocess.run([path, "-c", "import sys; print(sys.version_info.minor)"], capture_output=True, text=True, check=False)
        if told.returncode == 0 and int(told.stdout) >= minor:
            return path
    raise UnavailableError(f"it needs Python 3.{minor} or later, and none is installed")


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{Path(argv[0]).name} failed: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()
        raise UnavailableError(f"{Path(argv[0]).name} failed: {last[-1] if last else done.returncode}")
