"""A bug in a route is a problem document without a trace in it."""

from __future__ import annotations

import httpx2

from scheduler.api.problems import MEDIA_TYPE
from tests.integration.api.conftest import Door


async def test_an_unforeseen_error_is_a_problem_that_tells_the_client_nothing_inside(door: Door) -> None:
    @door.app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError("a secret detail")

    transport = httpx2.ASGITransport(app=door.app, client=("127.0.0.1", 50000), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/bug")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["title"] == "Internal error"
    assert "secret" not in answer.text


async def test_what_does_not_exist_is_a_problem_too(door: Door) -> None:
    async with door.client() as client:
        for path in ("/v1/nothing", "/v1/plans/none", "/v1/deployments/none"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE)
