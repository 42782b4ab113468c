"""Reading the index from the hub: a few threads, each with its own connection, none of which ever writes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from runtime.errors import StorageError
from runtime.search.schema import open_reader

THREADS = 4

T = TypeVar("T")


class IndexReader:
    """Runs functions of a connection off the event loop; SQLite lets the loop run meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(THREADS, "search-read")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def read(self, work: Callable[[sqlite3.Connection], T], empty: T) -> T:
        """Return what `work` reads in one consistent view; `empty` while nothing was ever indexed."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work, empty)

    async def aclose(self) -> None:
        """Close all connections once their work is done."""
        await asyncio.to_thread(self._pool.shutdown, wait=True)
        for connection in self._connections:
            connection.close()

    def _read(self, work: Callable[[sqlite3.Connection], T], empty: T) -> T:
        try:
            connection = self._connect()
            if connection is None:
                return empty
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(
                f"The search index {self._path} cannot be read ({error}); "
                "if it stays so, delete it and index again."
            ) from None

    def _connect(self) -> sqlite3.Connection | None:
        """Return this thread's connection; a file that was replaced is opened anew."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            return None
        if getattr(self._local, "inode", None) != inode:
            self._local.connection, self._local.inode = open_reader(self._path), inode
            self._connections.append(self._local.connection)
        found: sqlite3.Connection = self._local.connection
        return found
