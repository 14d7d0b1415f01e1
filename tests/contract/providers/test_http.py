"""The shared HTTP client: statuses become remedies, reads are repeated, changes are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.errors import ErrorTable
from providers.http import JsonHttp, checked_endpoint, retry_after_s
from scheduler.domain.errors import (
    AuthError,
    InvalidInputError,
    NotFoundError,
    ProviderDataError,
    RateLimitedError,
    TransientError,
)
from simulations.vendors.answers import Answer
from simulations.vendors.server import FakeVendor


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    with FakeVendor([("GET", "/thing", lambda asked: Answer({"ok": True})), ("POST", "/thing", lambda asked: Answer({}))]) as fake:
        yield fake


def client(vendor: FakeVendor) -> JsonHttp:
    return JsonHttp(ErrorTable("nimbus"), vendor.url, attempts=2, timeout_s=5.0)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({}, 401), AuthError),
        (Answer({}, 403), AuthError),
        (Answer({}, 404), NotFoundError),
        (Answer({}, 400), ProviderDataError),
        (Answer("<html>gateway</html>", 502, {"Content-Type": "text/html"}), TransientError),
        (Answer("<html>welcome</html>", 200, {"Content-Type": "text/html"}), ProviderDataError),
        (Answer('{"cut": ', 200), ProviderDataError),
        (Answer({}, 429, {"Retry-After": "3600"}), RateLimitedError),
    ],
)
async def test_what_an_answer_means(vendor: FakeVendor, answer: Answer, error: type[Exception]) -> None:
    vendor.refuse["GET"] = [answer] * 3
    with pytest.raises(error):
        await client(vendor).read("/thing")


@pytest.mark.parametrize("answer", [Answer({}, 503), Answer({}, 429, {"Retry-After": "0.01"})])
async def test_a_read_is_repeated(vendor: FakeVendor, answer: Answer) -> None:
    vendor.refuse["GET"] = [answer]
    assert await client(vendor).read("/thing") == {"ok": True}


async def test_a_change_is_sent_once(vendor: FakeVendor) -> None:
    vendor.refuse["POST"] = [Answer({}, 503)] * 3
    with pytest.raises(TransientError):
        await client(vendor).once("POST", "/thing", body={})
    assert vendor.calls["POST"] == 1


async def test_nobody_there_is_transient() -> None:
    with FakeVendor([]) as gone:
        closed = client(gone)
    with pytest.raises(TransientError):
        await closed.once("GET", "/thing")


async def test_a_next_page_on_another_machine_over_plain_http_is_refused(vendor: FakeVendor) -> None:
    with pytest.raises(InvalidInputError, match="loopback"):
        await client(vendor).once("GET", "http://203.0.113.9/page2")


async def test_queries_stay_out_of_messages(vendor: FakeVendor) -> None:
    with pytest.raises(NotFoundError) as missing:
        await client(vendor).once("GET", "/absent?key=secret")
    assert "secret" not in str(missing.value)


@pytest.mark.parametrize("endpoint", ["ftp://x", "x", "http://example.org", "http://10.0.0.1:80", ""])
def test_endpoints_are_https_or_loopback(endpoint: str) -> None:
    with pytest.raises(InvalidInputError):
        checked_endpoint("endpoint", endpoint)


def test_retry_after_is_seconds_or_the_default() -> None:
    assert [retry_after_s(text) for text in ("7", "0.5", "", "Wed, 21 Oct 2026 07:28:00 GMT", "-3")] == [7.0, 0.5, 1.0, 1.0, 0.0]
