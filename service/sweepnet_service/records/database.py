"""The database: SQLite in one file unless a URL names another; brought up to date when opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from sweepnet_service.errors import FailedPrecondition, InvalidInput

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
BUSY_S = 30.0
"""How long a process waits for another one's transaction; each takes milliseconds."""


class Database:
    """Connections to a database at its newest migration; safe for threads and processes.

    Raises InvalidInput for a URL that means nothing, FailedPrecondition where the database cannot
    be opened or a newer release wrote it.
    """

    def __init__(self, url: str | URL, migrate_to: str = "head") -> None:
        self._engine = _engine(url)
        try:
            with self.begin() as connection:
                _migrate(connection, migrate_to)
        except CommandError as error:
            raise FailedPrecondition(
                "records", f"a newer sweepnet wrote them ({error}); install that release"
            ) from None

    @classmethod
    def in_folder(cls, folder: Path) -> Database:
        """The records kept in a folder, which is made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(URL.create("sqlite", database=str(folder / "records.sqlite")))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: all of it happens, or nothing; on SQLite one at a time."""
        with _refusals(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A view of one moment, beside those who write."""
        with (
            _refusals(),
            self._engine.connect().execution_options(reading=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Let all connections go."""
        self._engine.dispose()


@contextmanager
def _refusals() -> Iterator[None]:
    """What the database refuses becomes an error of the service."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise FailedPrecondition(
            "records", f"the database refused: {cause}; see that it can be reached and written"
        ) from error


def _engine(url: str | URL) -> Engine:
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise InvalidInput(
            "records",
            f"not the address of a database ({error}); expected one such as "
            "sqlite:////var/lib/sweepnet/records.sqlite (--records)",
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    """SQLite as it should be: WAL, foreign keys, patience, and no transactions of its driver's."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Ask for the right to write at once: one who reads first and writes then may be refused."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _migrate(connection: Connection, target: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
