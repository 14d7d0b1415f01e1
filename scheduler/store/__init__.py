"""The memory of the core: every store port of the domain, on Postgres.

Knows tables, transactions and the embedded server. Must not know what the values mean to the loop, the optimizer or a cloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduler.store.errors import DataDirectoryInUseError, EmbeddedPostgresError, SchemaMismatchError, StoreUnavailableError

if TYPE_CHECKING:
    from scheduler.store.repositories import Store, open_store

__all__ = [
    "DataDirectoryInUseError",
    "EmbeddedPostgresError",
    "SchemaMismatchError",
    "Store",
    "StoreUnavailableError",
    "open_store",
]


def __getattr__(name: str) -> object:
    """Load the repositories when they are first asked for: the embedded server's process imports this package, but not SQLAlchemy."""
    if name in ("Store", "open_store"):
        from scheduler.store import repositories

        return getattr(repositories, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
