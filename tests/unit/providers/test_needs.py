"""What adapters say they need is what they ask for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from scheduler.bootstrap.registry import known_kinds, load_provider, needs_of
from scheduler.domain.errors import HeadraceError, InvalidInputError
from scheduler.domain.ports import Need, NeededTo, NeedFrom, OfferPage, ProviderSettings
from simulations.vendors.fake import system_clock
from simulations.vendors.proof import fakes
from simulations.vendors.trial import NoPace

TO_READ = [(kind, need) for kind in known_kinds() for need in needs_of(kind) if need.required is NeededTo.READ]
ENDPOINT = "http://127.0.0.1:9"
OPTIONS_READ = re.compile(r"""options(?:\.get\(|\[)\s*"(\w+)"|needed\([^,()]+,\s*["'](\w+)["']|"(\w+)" in options""")


@contextmanager
def set_up(kind: str) -> Iterator[tuple[ProviderSettings, dict[str, str]]]:
    """Settings and environment that lack nothing, against the fake of the cloud where it has one."""
    if kind in fakes():
        fake = fakes()[kind]()
        with fake.serve() as server:
            yield fake.settings(server.url), dict(fake.environ())
        return
    needs = [need for need in needs_of(kind) if need.required is NeededTo.READ]
    options = {need.name: "given" for need in needs if need.where is NeedFrom.OPTION}
    regions = tuple(need.name for need in needs if need.where is NeedFrom.REGIONS)
    environ = {need.name: "given" for need in needs if need.where is NeedFrom.ENVIRONMENT}
    yield ProviderSettings(kind, kind, endpoint=ENDPOINT, regions=regions, options=options), environ


async def first_page(settings: ProviderSettings, environ: dict[str, str]) -> OfferPage:
    return await anext(load_provider(settings, environ, system_clock, NoPace()).offers.read_offers())


@pytest.mark.parametrize("kind", known_kinds())
def test_every_adapter_says_what_it_needs(kind: str) -> None:
    needs = needs_of(kind)
    assert needs
    assert all(isinstance(need, Need) and need.meaning for need in needs)
    assert max(Counter(need.name for need in needs).values()) == 1
    assert {other for need in needs for other in need.instead} <= {need.name for need in needs}
    assert not [need.name for need in needs if need.named_by and need.where is not NeedFrom.ENVIRONMENT]


@pytest.mark.parametrize("kind", known_kinds())
def test_every_option_that_an_adapter_reads_is_declared(kind: str) -> None:
    point = next(point for point in entry_points(group="headrace.providers") if point.name == kind)
    spec = find_spec(point.module)
    assert spec is not None
    assert spec.origin is not None
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(spec.origin).parent.glob("*.py")))
    read = {name for found in OPTIONS_READ.findall(source) for name in found if name}
    read |= {f"usd_per_{currency.lower()}" for currency in re.findall(r'\brate\("([A-Z]{3})"', source)}
    read |= {"timeout_s"} if "timeout_of(" in source or "http_of(" in source else set()
    assert read <= {need.name for need in needs_of(kind)} | {need.named_by for need in needs_of(kind)}


@pytest.mark.parametrize(("kind", "need"), TO_READ, ids=[f"{kind}-{need.name}" for kind, need in TO_READ])
async def test_what_is_needed_to_read_and_missing_is_named(kind: str, need: Need) -> None:
    gone = {need.name, *need.instead}
    with set_up(kind) as (settings, environ):
        settings = replace(settings, options={name: value for name, value in settings.options.items() if name not in gone})
        if need.where is NeedFrom.REGIONS:
            settings = replace(settings, regions=())
        environ = {name: value for name, value in environ.items() if name not in gone}
        with pytest.raises(HeadraceError) as refused:
            await first_page(settings, environ)
    assert re.search(rf"\b{need.name}\b", str(refused.value))


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(InvalidInputError, match="nimbus"):
        needs_of("nimbus")
