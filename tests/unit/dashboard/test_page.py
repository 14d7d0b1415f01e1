"""The page as files: nothing inline, nothing missing, nothing from elsewhere, readable in both colour schemes."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from scheduler.dashboard import mount
from scheduler.dashboard.page import ROOT, TABS, render

STATIC = ROOT / "static"
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
STYLES = sorted((STATIC / "css").glob("*.css"))


@pytest.fixture
def client() -> httpx2.AsyncClient:
    app = FastAPI()
    mount(app)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://testserver")


async def test_the_page_and_every_file_it_names_are_served(client: httpx2.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:href|src)="(/[^"]+)"', page.text)
    assert len(named) >= 6
    for path in named:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "no-cache"


async def test_nothing_outside_the_static_folder_is_served(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/static/../page.py")).status_code == 404
    assert (await client.get("/static/%2e%2e/page.py")).status_code == 404


def test_every_tab_has_a_link_and_a_view() -> None:
    html = render()
    for tab in TABS:
        assert f'href="#{tab.key}"' in html
        assert f'data-view="{tab.key}"' in html


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    html = render()
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", html) == []
    assert re.findall(r"https?://", html) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_module_is_small_imports_what_exists_and_never_writes_markup(script: Path) -> None:
    text = script.read_text()
    assert len(text.splitlines()) <= 250
    for name in re.findall(r'from "\./([^"]+)"', text):
        assert (script.parent / name).is_file(), f"{script.name} imports {name}"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style", text)


def test_vendored_files_come_with_their_licence() -> None:
    for folder in (path for path in (STATIC / "vendor").iterdir() if path.is_dir()):
        assert (folder / "LICENSE").is_file()
        assert f"`{folder.name}/`" in (STATIC / "vendor" / "README.md").read_text()


def test_styles_load_nothing_from_elsewhere() -> None:
    for style in STYLES:
        assert "url(" not in style.read_text()
        assert "@import" not in style.read_text()


def _schemes() -> dict[str, dict[str, str]]:
    light, dark = re.split(r"@media \(prefers-color-scheme: dark\)", (STATIC / "css" / "base.css").read_text(), maxsplit=1)
    found = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part.split("\n}", 1)[0])) for part in (light, dark)]
    return {"light": found[0], "dark": found[0] | found[1]}


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


PAIRS = [
    *product(("ink", "muted"), ("ground", "surface", "raised")),
    *((tone, f"{tone}-soft") for tone in ("good", "busy", "warn", "bad", "made", "plain", "accent")),
    *product(("good", "bad", "warn", "accent"), ("surface",)),
    ("on-accent", "accent"),
    ("surface", "bad"),
    ("ink", "bad-soft"),
    ("ink", "warn-soft"),
    ("muted", "warn-soft"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(scheme: str) -> None:
    colours = _schemes()[scheme]
    for ink, ground in PAIRS:
        lighter, darker = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
        ratio = (lighter + 0.05) / (darker + 0.05)
        assert ratio >= 4.5, f"{ink} on {ground} in the {scheme} scheme: {ratio:.2f}"
