"""What the store says when it cannot do its work. The message names the thing and the remedy."""

from __future__ import annotations

from scheduler.domain.errors import HeadraceError


class StoreUnavailableError(HeadraceError):
    """Postgres does not answer, or has no room left.

    Repeat reads and idempotent writes later. A write that was under way has either happened whole or not at all.
    """


class SchemaMismatchError(HeadraceError):
    """The database was migrated by another version of headrace than this one."""


class EmbeddedPostgresError(HeadraceError):
    """The embedded Postgres cannot run here; the message says why and what to do."""


class DataDirectoryInUseError(EmbeddedPostgresError):
    """Another Postgres still uses the data directory."""
