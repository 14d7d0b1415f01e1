"""Serves the page and its files, so that a browser never shows a mixture of two versions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ROOT = Path(__file__).parent
REVALIDATE = {"cache-control": "no-cache"}
"""Files are cached, but asked after (by ETag) each time: an upgraded control plane is seen at the next reload."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One view of the page; ``key`` is its URL hash."""

    key: str
    title: str
    hint: str


TABS = (
    Tab("fleet", "Fleet", "What runs where, in which state, at what cost"),
    Tab("deployments", "Deployments", "What must be served, by which rules, and how it stands"),
    Tab("offers", "Offers", "What could be rented, at what price, known from where"),
    Tab("plan", "Plan", "What was decided, why, and what it costs"),
    Tab("migrations", "Migrations", "Every move as it happens"),
    Tab("margin", "Margin", "What serving costs and what it earns"),
    Tab("providers", "Providers", "How fresh each feed is, and what failed"),
)


def mount(app: FastAPI) -> None:
    """Add the dashboard at ``/`` and its files at ``/static``. Both are public: they contain no data."""
    html = render()

    @app.get("/", include_in_schema=False, response_class=HTMLResponse)
    async def dashboard() -> HTMLResponse:
        return HTMLResponse(html, headers=REVALIDATE)

    app.mount("/static", _Files(directory=ROOT / "static"), name="static")


def render() -> str:
    """The page's HTML: navigation and one empty section per tab."""
    environment = Environment(loader=FileSystemLoader(ROOT / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html").render(tabs=TABS)


class _Files(StaticFiles):
    """Static files with a caching rule."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(REVALIDATE)
        return response
