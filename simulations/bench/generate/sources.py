"""What is real in a generated problem: list prices, traffic and egress prices; from the research data where its folder is given."""

from __future__ import annotations

import csv
import io
import lzma
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from providers.pricelist import COLUMNS, ListPrice, bundled_price_list, read_price_list
from providers.snapshot.build import build
from scheduler.domain.errors import InvalidInputError

CLIENTS = (
    0.0042, 0.0101, 0.0171, 0.0632, 0.0632, 0.1157, 0.1949, 0.2536, 0.2536, 0.3828, 0.5, 0.9, 1.49, 1.6, 1.6, 2.4, 3.3, 4.6, 6.6, 6.6,
    9.1, 12.7, 18.4, 26.4, 41.0, 62.5, 110.0, 350.9,
)  # fmt: skip
"""Mean requests per second of production clients, spread as their quantiles: the traces of alibaba/ServeGen (Apache-2.0)."""

HOURS = (
    0.84, 0.71, 0.73, 0.68, 0.71, 0.66, 0.68, 0.85, 1.02, 1.05, 1.13, 1.09, 1.06, 1.07, 1.06, 1.05, 1.09, 1.08, 1.01, 1.23, 1.46, 1.4,
    1.27, 1.06,
)  # fmt: skip
"""Requests by local hour of the day over their mean: the m-small trace of alibaba/ServeGen (Apache-2.0)."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a problem is made from.

    Attributes:
        clients: mean requests per second of real clients. hours: requests by hour of the day over their mean.
        egress_usd_per_gb: by (from, to), places as ``provider:region``. told: where each part is from, a sentence each.
    """

    prices: tuple[ListPrice, ...]
    clients: tuple[float, ...]
    hours: tuple[float, ...]
    egress_usd_per_gb: dict[tuple[str, str], float]
    told: tuple[str, ...]


def read_sources(data: Path | None) -> Sources:
    """What ships with headrace, or what the research data adds.

    Raises:
        InvalidInputError: the folder is not that of the research data.
    """
    if data is None:
        shipped = (
            "prices: the list prices that ship with headrace",
            "traffic: quantiles of production clients, alibaba/ServeGen (Apache-2.0)",
        )
        return Sources(bundled_price_list().rows, CLIENTS, HOURS, {}, shipped)
    try:
        prices = _prices(data / "catalog" / "gpu_offers.csv")
        clients, hours = _traffic(sorted((data / "traffic" / "servegen").glob("*.tar.xz")))
        egress = dict(_egress(data / "egress" / "egress_usd_per_gb.csv"))
    except (OSError, KeyError, tarfile.TarError, lzma.LZMAError) as error:
        remedy = "Name the folder that holds catalog, traffic and egress."
        raise InvalidInputError("--data", str(data), f"cannot be read as research data ({error})", remedy) from error
    told = (
        "prices: the whole crawl of public list prices",
        "traffic: the traces of alibaba/ServeGen (Apache-2.0)",
        "egress: Frontier-CS cloudcast profiles (MIT)",
    )
    return Sources(prices, clients, hours, egress, told)


def _prices(path: Path) -> tuple[ListPrice, ...]:
    """The crawl, cleaned as the shipped list is, without its choice of regions."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows, _ = build(csv.DictReader(lines), {})
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    return read_price_list(text.getvalue().splitlines()).rows


def _traffic(archives: Iterable[Path]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean rate of every client, and the diurnal profile of the steadiest model's clients together."""
    clients: list[float] = []
    hours = [0.0] * 24
    for archive in archives:
        for rates in _clients(archive):
            clients.append(sum(rate for _, rate in rates) / max(1, len(rates)))
            if archive.name.startswith("m-small"):
                for second, rate in rates:
                    hours[int(second % 86_400 // 3600)] += rate
    mean = sum(hours) / 24
    if not clients or mean <= 0:
        raise OSError("no traffic traces")
    return tuple(sorted(round(rate, 6) for rate in clients if rate > 0)), tuple(round(hour / mean, 4) for hour in hours)


def _clients(archive: Path) -> Iterator[list[tuple[float, float]]]:
    with tarfile.open(archive, "r|xz") as members:
        # In the archive's order: going back would decompress it anew.
        for member in members:
            file = members.extractfile(member) if member.name.endswith(".csv") else None
            if file is not None:
                rows = csv.reader(file.read().decode().splitlines())
                yield [(float(row[0]), float(row[1])) for row in rows if row and row[0].replace(".", "", 1).isdigit()]


def _egress(path: Path) -> Iterator[tuple[tuple[str, str], float]]:
    """Google's rows name a zone; its prices are those of the region."""
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield (_place(row["src"]), _place(row["dest"])), float(row["cost"])


def _place(name: str) -> str:
    return name[:-2] if name.startswith("gcp:") and name[-2] == "-" else name
