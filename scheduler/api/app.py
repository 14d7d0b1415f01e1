"""The application: all routes, problem documents and safe headers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scheduler.api import agents, events, fleet, market, online, operations, placement, plans, problems, workload
from scheduler.api.services import Services

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def create_app(services: Services, lifespan: Lifespan | None = None) -> FastAPI:
    """Build the API. The dashboard mounts itself on top of it."""
    app = FastAPI(
        title="headrace",
        version=version("headrace"),
        summary="Multi-cloud GPU scheduler and capacity router for model inference",
        lifespan=lifespan or _nothing,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    problems.install(app)
    for room in (market, fleet, workload, plans, placement, online, events, operations, agents):
        app.include_router(room.router)

    app.add_middleware(SafeHeaders)
    return app


class SafeHeaders:
    """Adds security headers to every answer. Plain ASGI, so that streams are neither buffered nor kept after a disconnect."""

    HEADERS = (
        (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in self.HEADERS if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive, with_headers)
