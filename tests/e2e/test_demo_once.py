"""``headrace demo --once``: a cloud is lost under load and nothing is dropped, proved by its own figures, within 4 GiB, without a trace."""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from scheduler.runtime import tree
from tests.e2e.running import HEADRACE, environment

PSS_BYTES_MAX = 4 * 2**30
STREAM_S_MIN = 5.0
WITHIN_S = 400.0
KEYS = {
    "engine", "weights", "clouds", "clusters", "deployments", "requests_total", "requests_failed", "streams_total", "streams_broken",
    "migrations_completed", "migration_s", "first_answer_s", "sample_answer", "cost_usd_per_h_before", "cost_usd_per_h_after",
    "plan_gap", "streams_in_flight_at_shift", "client_retries", "versions",
}  # fmt: skip


class Weigher(threading.Thread):
    """Samples the proportional set size of a process tree, and remembers every process it saw."""

    def __init__(self, pid: int) -> None:
        super().__init__(name="weigher", daemon=True)
        self._pid, self._ended = pid, threading.Event()
        self.peak_bytes = 0
        self.seen: dict[int, psutil.Process] = {}

    def run(self) -> None:
        while not self._ended.wait(2.0):
            sample = [process for process in (psutil.Process(self._pid), *tree.descendants(self._pid)) if tree.alive(process)]
            self.seen.update((process.pid, process) for process in sample)
            self.peak_bytes = max(self.peak_bytes, sum(map(pss_bytes, sample)))

    def end(self) -> None:
        self._ended.set()
        self.join()


def pss_bytes(process: psutil.Process) -> int:
    """Memory of a process, with shared pages divided among those that share them; 0 once it is gone."""
    with suppress(psutil.Error, OSError):
        return int(process.memory_full_info().pss)
    return 0


@pytest.mark.timeout(WITHIN_S + 60)
def test_a_cloud_is_lost_under_load_and_no_request_fails(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [HEADRACE, "demo", "--once", "--json"], env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    weigher = Weigher(demo.pid)
    weigher.start()
    try:
        out, progress = demo.communicate(timeout=WITHIN_S)
    finally:
        weigher.end()
        if demo.poll() is None:
            demo.kill()
    assert demo.returncode == 0, progress + out
    told = json.loads(out)
    assert told.keys() >= KEYS
    assert (told["requests_failed"], told["streams_broken"], told["client_retries"]) == (0, 0, 0), told["errors"]
    assert told["streams_total"] >= 60
    assert told["stream_s_min"] >= STREAM_S_MIN, f"{told['streams_shorter_than_5_s']} of {told['streams_total']} streams were shorter"
    assert told["requests_total"] > told["streams_total"]
    assert told["migrations_completed"] >= 1
    assert len(told["migration_s"]) == len(told["streams_in_flight_at_shift"]) == told["migrations_completed"]
    assert all(in_flight >= 4 for in_flight in told["streams_in_flight_at_shift"])
    assert len(told["clouds"]) == len(told["clusters"]) == 3
    assert told["deployments"].keys() == {"chat", "batch"}
    assert any(letter.isalpha() for letter in told["sample_answer"])
    assert 0 < told["first_answer_s"] < told["seconds"]
    assert told["cost_usd_per_h_before"] > 0
    assert told["cost_usd_per_h_after"] > 0
    assert 0 <= told["plan_gap"] < 1
    assert all(told["versions"].values())
    assert 0 < weigher.peak_bytes <= PSS_BYTES_MAX
    assert not [process for process in weigher.seen.values() if tree.alive(process)]
    print(f"first answer {told['first_answer_s']} s, migrations {told['migration_s']} s, peak PSS {weigher.peak_bytes / 2**30:.2f} GiB")
