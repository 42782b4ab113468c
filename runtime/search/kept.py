"""What was read of a collection as a whole, kept in memory until there are newer passages."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by collection, the `most` that were asked for last.

    What only leaves a collection does not count as newer: a value may tell of passages that are gone.
    """

    def __init__(self, read: Callable[[sqlite3.Connection, int], T], most: int) -> None:
        self._read, self._most = read, most
        self._values: OrderedDict[int, tuple[int, T]] = OrderedDict()
        self._changing = threading.Lock()

    def of(self, connection: sqlite3.Connection, collection: int) -> T:
        """Return the value of a collection, reading it where it is not there or too old."""
        (newest,) = connection.execute("SELECT max(id) FROM passages").fetchone()
        read_at, value = self._values.get(collection, (None, None))
        if read_at != newest or value is None:
            value = self._read(connection, collection)
        with self._changing:
            self._values[collection] = (newest, value)
            self._values.move_to_end(collection)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
