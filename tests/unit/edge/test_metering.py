"""Lines of the access log become rows of the ledger, each once, across truncation, rotation and restarts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scheduler.domain.usage import TokenUsage
from scheduler.edge.metering import AccessLogFollower, Metered, parse_line, usage_rows

AT = datetime(2026, 6, 30, 12, 0, 5, tzinfo=UTC)


def line(**changes: object) -> bytes:
    row: dict[str, object] = {
        "at": "2026-06-30T12:00:05.000Z",
        "status": 200,
        "flags": "-",
        "deployment": "chat",
        "replica": "r1",
        "usage": {"input": 11.0, "output": 7.0, "timed_input": None},
    }
    return json.dumps(row | changes).encode() + b"\n"


def test_usage_as_the_engine_reported_it() -> None:
    assert parse_line(line()) == Metered(AT, "chat", "r1", failed=False, input_tokens=11, output_tokens=7)


def test_llamacpp_streams_are_counted_by_their_timings() -> None:
    metered = parse_line(line(usage={"timed_input": 2, "timed_cached": 9, "timed_output": 5}))
    assert metered is not None
    assert (metered.input_tokens, metered.output_tokens) == (11, 5)


def test_a_request_without_usage_counts_as_a_request_without_tokens() -> None:
    metered = parse_line(line(usage={}))
    assert metered is not None
    assert (metered.input_tokens, metered.output_tokens) == (0, 0)


@pytest.mark.parametrize("deployment", [None, "", "-"])
def test_what_led_to_no_deployment_is_nobodys_usage(deployment: str | None) -> None:
    assert parse_line(line(deployment=deployment)) is None


@pytest.mark.parametrize(
    ("changes", "failed"),
    [({"status": 503}, True), ({"flags": "UC"}, True), ({"flags": "DC"}, False), ({"status": 400}, False)],
)
def test_a_failure_is_ours_and_not_the_clients(changes: dict[str, object], failed: bool) -> None:
    metered = parse_line(line(**changes))
    assert metered is not None
    assert metered.failed is failed


@pytest.mark.parametrize("raw", [b"", b"{", b"{}", b"[]", b'{"at": "soon", "usage": {}}'])
def test_garbage_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not an access log line"):
        parse_line(raw)


def test_rows_are_summed_by_minute_deployment_and_replica() -> None:
    requests = [
        Metered(AT, "chat", "r1", failed=False, input_tokens=1, output_tokens=2),
        Metered(AT.replace(second=59), "chat", "r1", failed=True, input_tokens=3, output_tokens=4),
        Metered(AT.replace(minute=1), "chat", "r1", failed=False, input_tokens=5, output_tokens=6),
    ]
    assert usage_rows(requests, {"chat": "acme"}) == [
        TokenUsage(AT.replace(second=0), "acme", "chat", "r1", 2, 1, 4, 6),
        TokenUsage(AT.replace(second=0, minute=1), "acme", "chat", "r1", 1, 0, 5, 6),
    ]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(line() * 2)
    return path


def test_lines_are_read_once_after_a_commit_and_again_without(log: Path) -> None:
    follower = AccessLogFollower(log, log.with_suffix(".position"))
    assert (len(follower.read()), len(follower.read())) == (2, 2)
    follower.commit()
    assert follower.read() == []


def test_a_restarted_follower_goes_on_where_it_committed(log: Path) -> None:
    first = AccessLogFollower(log, log.with_suffix(".position"))
    first.read()
    first.commit()
    with log.open("ab") as file:
        file.write(line())
    assert len(AccessLogFollower(log, log.with_suffix(".position")).read()) == 1


def test_half_a_line_waits_for_its_other_half(log: Path) -> None:
    follower = AccessLogFollower(log, log.with_suffix(".position"))
    follower.read()
    follower.commit()
    with log.open("ab") as file:
        file.write(line()[:20])
        file.flush()
        assert follower.read() == []
        file.write(line()[20:])
    assert len(follower.read()) == 1


@pytest.mark.parametrize("rotate", [True, False])
def test_a_rotated_or_truncated_log_is_read_from_its_start(log: Path, rotate: bool) -> None:
    follower = AccessLogFollower(log, log.with_suffix(".position"))
    follower.read()
    follower.commit()
    if rotate:
        log.rename(log.with_suffix(".1"))
    log.write_bytes(line())
    assert len(follower.read()) == 1


def test_a_bad_line_costs_only_itself(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"garbage\n" + line())
    assert len(AccessLogFollower(log, log.with_suffix(".position")).read()) == 3


def test_no_log_yet_is_no_error(tmp_path: Path) -> None:
    assert AccessLogFollower(tmp_path / "absent", tmp_path / "position").read() == []
