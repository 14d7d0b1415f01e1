"""Two demos beside each other, and one that is killed: neither meets the other, and nothing stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.clients import Asker
from tests.e2e.running import RunningDemo, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(500)]


async def test_a_second_demo_runs_beside_the_first_and_a_killed_one_leaves_nothing(demo: RunningDemo, tmp_path: Path) -> None:
    second = RunningDemo(tmp_path, "--idle")
    try:
        second.wait_for("stays up until Ctrl-C", 300)
        for each in (demo, second):
            await until(Asker(each.front_door, "chat").ask, f"an answer at {each.front_door}")
        ports = [{row["port"] for each in told for row in each if row["port"]} for told in (_table(demo), _table(second))]
        assert not ports[0] & ports[1]
        family, folders = second.family(), second.folders()
        second.kill()
        assert second.wait_gone(family, folders) == -9
    finally:
        second.discard()
    await until(Asker(demo.front_door, "chat").ask, "an answer of the first, which is still there")


def _table(demo: RunningDemo) -> list[list[dict[str, int]]]:
    return [demo.processes(role) for role in ("ray head", "edge", "control plane", "simulated clouds")]
