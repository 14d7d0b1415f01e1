"""Market processes for the suites: real ones, on loopback, ended by process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from vendor_aws import aws
from vendor_azure import azure
from vendor_gcp import gcp

# Fixtures are found by name; this keeps the imports.
__all__ = ["MarketProcess", "aws", "azure", "gcp", "market_process"]

SERVE = "from providers.simulated.command import command; command()"
OPEN_S_MAX = 120.0


@dataclass
class MarketProcess:
    """One market and its state directory; may be killed and opened again."""

    state_dir: Path
    extra: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return (self.state_dir / "url").read_text().strip()

    @property
    def environ(self) -> dict[str, str]:
        return {"HEADRACE_MARKET_TOKEN": (self.state_dir / "token").read_text().strip()}

    def open(self) -> None:
        log = self.state_dir / "market.log"
        argv = [sys.executable, "-c", SERVE, "serve", "--state-dir", str(self.state_dir), "--volatility", "0", *self.extra]
        with log.open("ab") as output:
            start = output.tell()
            self.process = subprocess.Popen(argv, stdout=output, stderr=output, env={**os.environ, "NO_PROXY": "*"})
        deadline = time.monotonic() + OPEN_S_MAX
        while b"market_opened" not in log.read_bytes()[start:]:
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)


@pytest.fixture
def market_process(tmp_path: Path) -> Iterator[MarketProcess]:
    market = MarketProcess(tmp_path, ("--terminate-on-exit",))
    market.open()
    yield market
    if market.process is None or market.process.poll() is not None:
        market.open()  # whoever killed it may have left machines: only a market knows them
    market.end()
