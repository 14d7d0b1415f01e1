"""A running demo: started as a person starts it, watched from outside, and ended without a trace."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import httpx2
import psutil

from scheduler.runtime import tree
from simulations.demo.caretaker import PLACES

HEADRACE = str(Path(sys.executable).parent / "headrace")
STOP_S = 60.0
POLL_S = 0.2


def environment(data_dir: Path) -> dict[str, str]:
    """As a fresh user's: no settings but where the data lie."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")} | {"HEADRACE_DATA_DIR": str(data_dir)}


async def until(condition: Callable[[], Awaitable[Any]], what: str, within_s: float = 90.0) -> Any:
    """Ask until the answer is true, and return it. A control plane that is away counts as not yet."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with suppress(httpx2.HTTPError):
            if found := await condition():
                return found
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"{what} did not happen within {within_s:.0f} s")


class RunningDemo:
    """``headrace demo`` as a subprocess, with its printed lines."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.environ = environment(data_dir)
        self._data_dir = data_dir
        self._lines: list[str] = []
        self._printed = threading.Condition()
        self._process = subprocess.Popen(
            [HEADRACE, "demo", *options],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), name="demo output", daemon=True).start()

    def wait_for(self, pattern: str, within_s: float) -> re.Match[str]:
        """The first printed line that matches, as soon as it is there."""
        end = time.monotonic() + within_s
        with self._printed:
            while True:
                for line in self._lines:
                    if found := re.search(pattern, line):
                        return found
                left = end - time.monotonic()
                assert left > 0, f"the demo did not print {pattern!r} within {within_s:.0f} s but:\n" + "\n".join(self._lines)
                assert self._process.poll() is None, "the demo ended:\n" + "\n".join(self._lines)
                self._printed.wait(min(left, 1.0))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def control_url(self) -> str:
        return self.wait_for(r"^dashboard +(http://\S+?)/?$", 60).group(1)

    @property
    def front_door(self) -> str:
        return self.wait_for(r"^prompts +(http://\S+)/v1/chat/completions", 60).group(1)

    def cli(self, *arguments: str) -> Any:
        """Run a command of the product in another process, as in another terminal; its JSON."""
        done = subprocess.run([HEADRACE, *arguments, "--json"], env=self.environ, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, f"headrace {' '.join(arguments)}: {done.stderr}"
        return json.loads(done.stdout)

    def processes(self, role: str) -> list[dict[str, Any]]:
        """Rows of the status table, read from the roster without asking the control plane, which may be down."""
        found = json.loads((self._data_dir / "run" / f"{self.pid}.json").read_text(encoding="utf-8"))["processes"]
        return [row for row in found if row["role"] == role]

    def engines(self) -> set[int]:
        """Process ids of all engine servers."""
        return {process.pid for process in tree.descendants(self.pid) if _is_engine(process)}

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """``kill -9``."""
        self._process.kill()

    def family(self) -> list[psutil.Process]:
        """Every process of the demo, the demo itself first."""
        return [psutil.Process(self.pid), *tree.descendants(self.pid)]

    def folders(self) -> set[Path]:
        """Folders that the demo and its parts were given for their files."""
        found = set()
        for process in tree.descendants(self.pid):
            with suppress(psutil.Error, OSError):
                environ = process.environ()
                found |= {Path(environ[name]) for name in PLACES if name in environ}
        return found | {folder.parent for folder in found}

    def wait_gone(self, family: list[psutil.Process], folders: set[Path], within_s: float = STOP_S) -> int:
        """The exit code, once none of the family lives and no folder is left; says what is left otherwise."""
        end = time.monotonic() + within_s
        code = self._process.wait(within_s)
        while (left := [each for each in family if tree.alive(each)]) and time.monotonic() < end:
            psutil.wait_procs(left, timeout=0.2)
        assert not left, f"still running: {[(each.pid, each.name()) for each in left]}"
        while (there := [folder for folder in folders if folder.exists()]) and time.monotonic() < end:
            with self._printed:
                self._printed.wait(0.1)
        assert not there, f"left behind: {sorted(map(str, there))}"
        return code

    def discard(self) -> None:
        """End it whatever state it is in; for a test that failed."""
        if self._process.poll() is None:
            self.interrupt()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            self._process.kill()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            with self._printed:
                self._lines.append(line.rstrip("\n"))
                self._printed.notify_all()


def _is_engine(process: psutil.Process) -> bool:
    try:
        return "scheduler.runtime.llamacpp_server" in process.cmdline() and "scheduler.runtime.tied" not in process.cmdline()
    except psutil.Error:
        return False
