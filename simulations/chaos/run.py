"""Runs the rows one after the other, each on a stage of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from scheduler.domain.errors import InvalidInputError
from simulations.chaos.rows import Outcome
from simulations.chaos.table import FULL, QUICK, ROWS

log = structlog.get_logger(__name__)


async def chaos(only: Collection[str], *, quick: bool) -> dict[str, Any]:
    """Level, figures and verdict of each row.

    Args:
        only: names of rows; empty runs all. quick: less load, for a look.

    Raises:
        InvalidInputError: no such row.
    """
    for name in only:
        if name not in ROWS:
            raise InvalidInputError("only", name, "no such row", f"Known: {', '.join(ROWS)}.")
    found = {}
    for name, row in ROWS.items():
        if not only or name in only:
            with tempfile.TemporaryDirectory(prefix="headrace-chaos-") as folder:
                log.info("row_started", row=name)
                try:
                    outcome = await row(Path(folder), QUICK if quick else FULL)
                except (TimeoutError, OSError, aiohttp.ClientError, subprocess.CalledProcessError) as error:
                    outcome = Outcome("the row comes to its end", {"error": repr(error)[:200]}, False)
                found[name] = outcome.document()
                log.info("row_ended", row=name, **found[name])
    return found
