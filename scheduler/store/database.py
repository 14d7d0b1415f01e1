"""The connection to Postgres: one pool per process that survives a restarted server, and one place that maps its errors.

Knows SQLAlchemy and psycopg; must not know tables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from scheduler.domain.errors import ConflictError, InvalidInputError
from scheduler.store.errors import StoreUnavailableError

_CONNECT_TIMEOUT_S = 5
_POOL_SIZE = 8
_POOL_OVERFLOW = 8


def parse_dsn(dsn: str) -> URL:
    """A database URL as people write it (``postgres://``, ``postgresql://``) with the driver this project uses.

    Raises:
        InvalidInputError: not a Postgres URL. The message never shows the URL: it may hold a password.
    """
    remedy = "Write postgresql://user:password@host:5432/database, or unset it for the embedded Postgres."
    try:
        url = make_url(dsn)
    except (ArgumentError, ValueError) as error:
        raise InvalidInputError("DATABASE_URL", "...", "not a database URL", remedy) from error
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise InvalidInputError("DATABASE_URL", url.drivername, "not a Postgres URL", remedy)
    return url.set(drivername="postgresql+psycopg")


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn the driver's errors into the store's.

    Raises:
        StoreUnavailableError: no connection, connection lost, out of disk or connections, deadlock or timeout.
        ConflictError: a constraint of the schema refused the row.
        InvalidInputError: a value that Postgres has no form for, such as a NUL in a text.
    """
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(f"the database refused the change: {_first_line(error)}") from error
    except DataError as error:
        raise InvalidInputError(
            "input", "...", f"the database cannot take it: {_first_line(error)}", "Send plain text without NUL."
        ) from error
    except (psycopg.errors.IntegrityError, psycopg.errors.DataError) as error:  # from COPY, beneath SQLAlchemy
        raise ConflictError(f"the database refused the rows: {_first_line(error)}") from error
    except (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError) as error:
        raise StoreUnavailableError(f"Postgres does not answer: {_first_line(error)}") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise StoreUnavailableError(f"the connection to Postgres broke: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)


class Database:
    """A pool of connections. Opens none until it is used."""

    def __init__(self, dsn: str) -> None:
        self.url = parse_dsn(dsn)
        self._engine = create_async_engine(
            self.url,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_OVERFLOW,
            pool_pre_ping=True,
            pool_timeout=30,
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "options": "-c timezone=UTC", "application_name": "headrace"},
        )
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ")

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, undone by any exception."""
        with store_errors():
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction in which all statements see the same instant."""
        with store_errors():
            async with self._snapshots.connect() as connection:
                yield connection

    async def listen(self, channel: str) -> psycopg.AsyncConnection:
        """A connection of its own, outside the pool, that receives the channel's notifications."""
        address = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with store_errors():
            connection = await psycopg.AsyncConnection.connect(
                address, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S, application_name="headrace-events"
            )
            await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
        return connection

    async def close(self) -> None:
        await self._engine.dispose()
