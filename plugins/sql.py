"""tool.sql: asks a database, SQLite or PostgreSQL; read-only, with parameters and a limit on rows."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import sqlite3
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, JsonObject, NotFound, PluginError, hookimpl

_ROWS = 100
_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock."""


class Database(BaseModel):
    """`[plugins.sql.databases.NAME]`: one database, and what may be done there."""

    url: str = Field(
        description='"sqlite:PATH", or "secret:NAME" for a postgresql:// address with a password'
    )
    write: bool = Field(default=False, description="whether statements may change it")
    rows: int = Field(default=1000, ge=1, le=100_000, description="rows of one answer, at most")
    timeout: float = Field(default=10.0, gt=0, description="seconds of one statement, at most")


class Settings(BaseModel):
    """`[plugins.sql]`: the databases that graphs may name."""

    databases: dict[str, Database] = Field(default_factory=dict, description="databases by name")


class Statement(BaseModel):
    """One statement.  Values never stand in its text: they are parameters."""

    database: str = Field(default="default", description="a name of [plugins.sql.databases]")
    query: str = Field(min_length=1, max_length=100_000, description="SQL, with :name where a parameter goes")
    args: dict[str, str | int | float | bool | None] = Field(default_factory=dict, description="parameters")
    rows: int | None = Field(default=None, ge=1, description="rows, at most: 100, or with `split` all")
    split: int | None = Field(default=None, ge=1, description="gives lists of so many rows each, for a map")


class Sql:
    """One statement on one connection; what is read-only is so by the database's own means."""

    name = "sql"
    description = "Runs one SQL statement with parameters and returns rows."
    Args = Statement

    def __init__(self, settings: Settings) -> None:
        self._databases = settings.databases

    async def run(self, args: Statement, ctx: Context) -> JsonObject | list[list[JsonObject]]:
        """Return `{rows, columns, more, changed}`; `more` says that there were further rows.

        With `split` return all rows, in lists of so many; InvalidInput when there are too many.
        """
        if args.split is None:
            return await self._asked(args, args.rows or _ROWS)
        found = await self._asked(args, args.rows or sys.maxsize)
        if found["more"]:
            most = len(found["rows"])
            raise InvalidInput(f"the statement gives more than {most} rows; ask for less, or allow more rows")
        return list(_batches(found["rows"], args.split))

    async def _asked(self, args: Statement, wanted: int) -> JsonObject:
        database = self._databases.get(args.database)
        if database is None:
            known = ", ".join(sorted(self._databases)) or "none"
            said = f"there is no database {args.database[:80]} (known: {known})"
            raise NotFound(f"{said}; add it to [plugins.sql.databases]")
        most = min(wanted, database.rows)
        scheme = urlsplit(database.url).scheme
        if scheme == "sqlite":
            return await _Sqlite(database, args, most).run()
        if scheme in ("postgresql", "postgres"):
            return await _postgres(database, args, most)
        raise InvalidInput(
            f"[plugins.sql.databases.{args.database}] url is none this tool knows; begin it with sqlite: or "
            "postgresql://"
        )


class _Sqlite:
    """One statement in a thread, which is interrupted when its time is over or its caller leaves."""

    def __init__(self, database: Database, args: Statement, most: int) -> None:
        self._database, self._args, self._most = database, args, most
        self._stop = threading.Event()

    async def run(self) -> JsonObject:
        try:
            async with asyncio.timeout(self._database.timeout):
                return await asyncio.to_thread(self._ask)
        except TimeoutError:
            raise _late(self._args.database, self._database) from None
        finally:
            self._stop.set()

    def _ask(self) -> JsonObject:
        path = Path(self._database.url.removeprefix("sqlite:"))
        mode = "rw" if self._database.write else "ro"
        try:
            connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=1.0)
        except sqlite3.Error as error:
            raise _failed(self._args.database, str(error)) from None
        try:
            connection.set_progress_handler(self._stop.is_set, _STEPS)
            connection.set_authorizer(_authorized)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            with connection:
                cursor = connection.execute(self._args.query, self._args.args)
                found = cursor.fetchmany(self._most + 1) if cursor.description else []
            return _answer([each[0] for each in cursor.description or ()], found, self._most, cursor.rowcount)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise _failed(self._args.database, str(error)) from None
        finally:
            connection.close()


def _authorized(action: int, *about: str | None) -> int:
    """Refuse what reaches beyond the database: other files, extensions, settings."""
    beyond = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA)
    loads = action == sqlite3.SQLITE_FUNCTION and "load_extension" in about
    return sqlite3.SQLITE_DENY if action in beyond or loads else sqlite3.SQLITE_OK


async def _postgres(database: Database, args: Statement, most: int) -> JsonObject:
    try:
        import psycopg
    except ImportError:
        raise PluginError('PostgreSQL needs psycopg; run: pip install "hubbub[postgres]"') from None

    query = _named(args.query, args.args)
    try:
        async with (
            asyncio.timeout(database.timeout),
            await psycopg.AsyncConnection.connect(database.url, autocommit=False) as connection,
        ):
            await connection.set_read_only(not database.write)
            milliseconds = int(database.timeout * 1000)
            await connection.execute(f"SET LOCAL statement_timeout = {milliseconds}".encode())
            # A prepared statement is one statement: a second one after a semicolon is refused.
            cursor = await connection.execute(query.encode(), args.args or None, prepare=True)
            found = await cursor.fetchmany(most + 1) if cursor.description else []
            columns = [each.name for each in cursor.description or ()]
            return _answer(columns, found, most, cursor.rowcount)
    except (TimeoutError, psycopg.errors.QueryCanceled):
        raise _late(args.database, database) from None
    except psycopg.OperationalError as error:
        raise _failed(args.database, f"{type(error).__name__}, the server cannot be reached") from None
    except psycopg.Error as error:
        raise _failed(args.database, str(error.diag.message_primary or error)) from None


def _named(query: str, parameters: Mapping[str, Any]) -> str:
    """Write `:name` as psycopg has it, for the parameters that there are; `::type` stays."""
    import re

    def parameter(found: re.Match[str]) -> str:
        return f"%({found[1]})s" if found[1] in parameters else found[0]

    return re.sub(r"(?<!:):([A-Za-z_]\w*)", parameter, query.replace("%", "%%") if parameters else query)


def _answer(columns: Sequence[str], found: Sequence[Sequence[Any]], most: int, changed: int) -> JsonObject:
    rows = [{name: _plain(value) for name, value in zip(columns, row, strict=True)} for row in found[:most]]
    return {
        "rows": rows,
        "columns": list(columns),
        "more": len(found) > most,
        "changed": 0 if columns else max(0, changed),
    }


def _batches(rows: list[JsonObject], size: int) -> Iterator[list[JsonObject]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: exact numbers and times as text, bytes in hexadecimal."""
    if isinstance(value, decimal.Decimal | uuid.UUID | datetime.timedelta):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _late(name: str, database: Database) -> PluginError:
    words = f"the database {name} gave no answer within {database.timeout:g} s"
    return PluginError(f"{words}; ask for less, or raise [plugins.sql.databases.{name}] timeout")


def _failed(name: str, why: str) -> PluginError:
    why = " ".join(why.split())[:300].rstrip(".")
    return PluginError(f"the database {name} refused the statement ({why}); mend query, or its rights")


@hookimpl
def register_tools(settings: Settings) -> list[Sql]:
    """Supply `tool.sql`."""
    return [Sql(settings)]
