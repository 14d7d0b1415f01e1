"""What a fake cloud sells and runs: products, stock and machines, without any vendor's words. One estate per fake and proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import TypeVar

T = TypeVar("T")


class Paging(StrEnum):
    """How a vendor's pages may misbehave."""

    HONEST = "honest"
    REPEATED = "a page token that comes twice"
    EXPIRED = "a page token that has expired"
    EMPTY_MIDDLE = "an empty page in the middle"
    SHIFTED = "rows that move to the next page during the walk"


class Refusal(StrEnum):
    """Why a cloud does not launch."""

    STOCKOUT = "stockout"
    QUOTA = "quota"


class RefusedError(Exception):
    """Raised by ``Estate.create``; the fake words it as its vendor does."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.value)


class PageExpiredError(Exception):
    """Raised by ``Estate.page``; the fake words it as its vendor does."""


@dataclass(frozen=True)
class Product:
    """One instance type as its vendor names and prices it.

    Attributes:
        gpu: the vendor's name of the GPU. gpu_memory_gib: of one GPU.
        usd_per_h, spot_usd_per_h: the whole instance; None where it is not sold so. Not always sane: faults put nonsense here.
        stock: machines that could launch, by region or zone.
    """

    name: str
    gpu: str
    gpus: int
    gpu_memory_gib: int
    vcpus: int
    memory_gib: int
    usd_per_h: float
    stock: Mapping[str, int]
    spot_usd_per_h: float | None = None


@dataclass
class Machine:
    """One machine. ``words`` keeps whatever the fake wants to read back: tags, names, user data."""

    id: str
    product: str
    place: str
    spot: bool
    words: dict[str, str] = field(default_factory=dict)
    running: bool = True
    failed: bool = False


@dataclass
class Estate:
    """The state behind one fake.

    Attributes:
        refuse_next: refusals for the next launches, in order.
        stock_out_late: machines are accepted and then fail, as clouds with asynchronous stockouts do.
    """

    products: list[Product]
    machines: dict[str, Machine] = field(default_factory=dict)
    refuse_next: list[Refusal] = field(default_factory=list)
    stock_out_late: bool = False
    paging: Paging = Paging.HONEST
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _pages_served: int = 0

    def product(self, name: str) -> Product:
        """Raises KeyError."""
        return {product.name: product for product in self.products}[name]

    def create(self, product: str, place: str, *, spot: bool = False, words: Mapping[str, str] | None = None, token: str = "") -> Machine:
        """Launch a machine, or find the one with the same idempotency ``token`` ("" where the vendor has none).

        Raises:
            RefusedError: sold out in that place, or told to refuse.
            KeyError: no such product.
        """
        if token:
            same = next((machine for machine in self.machines.values() if machine.words.get("token") == token), None)
            if same is not None:
                return same
        if self.refuse_next:
            raise RefusedError(self.refuse_next.pop(0))
        if self.product(product).stock.get(place, 0) <= sum(
            m.running and (m.product, m.place) == (product, place) for m in self.machines.values()
        ):
            raise RefusedError(Refusal.STOCKOUT)
        machine = Machine(
            f"{next(self._numbers):08d}-0000-4000-8000-000000000000", product, place, spot, dict(words or {}) | {"token": token}
        )
        if self.stock_out_late:
            machine.running, machine.failed = False, True
        self.machines[machine.id] = machine
        return machine

    def delete(self, machine: str) -> bool:
        """Release it; False where it does not exist or is gone already."""
        found = self.machines.get(machine)
        if found is None or not found.running:
            return False
        found.running = False
        return True

    @property
    def running(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.running]

    def page(self, rows: Sequence[T], token: str, size: int) -> tuple[list[T], str]:
        """A page of ``rows`` and the next token, "" at the end; misbehaves as ``paging`` says. Tokens are offsets in disguise.

        Raises:
            PageExpiredError: the token is no longer good.
        """
        size = min(size, max(1, len(rows) // 3)) if self.paging is not Paging.HONEST else size
        start = int(token.removeprefix("p").removesuffix("e") or 0) if token else 0
        following = f"p{start + size}" if start + size < len(rows) else ""
        match self.paging:
            case Paging.REPEATED if following:
                return list(rows[:size]), "p1"
            case Paging.EXPIRED if token:
                raise PageExpiredError
            case Paging.EMPTY_MIDDLE if token and not token.endswith("e"):
                return [], f"{token}e"
            case Paging.SHIFTED if token:
                return list(rows[max(0, start - 1) : start + size]), following
            case _:
                return list(rows[start : start + size]), following
