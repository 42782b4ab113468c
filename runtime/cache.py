"""What `[cache] use` names: this process's memory, bounded in bytes, or the cache of a plugin."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from runtime.errors import CannotStart
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog
from runtime.ports import Cache

DEADLINE = 2.0
"""Seconds that one call of a plugin's cache may take: a cache that is slow is none."""

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of all values together; those that nobody asked for longest go first."""

_OVERHEAD = 200
"""Bytes that an entry costs beside its key and value, roughly."""


class MemoryCache:
    """The `Cache` of `[cache] use = "memory"`.  Times are on `clock`, in seconds."""

    name = "memory"

    def __init__(self, most: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock, self._size = most, clock, 0
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        found = self._values.get(key)
        if found is None:
            return None
        if self._clock() >= found[0]:
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return found[1]

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value for `ttl` seconds; one that is larger than the whole cache is not kept."""
        self._drop(key)
        if (size := _cost(key, value)) > self._most:
            return
        self._values[key] = (self._clock() + ttl, value)
        self._size += size
        while self._size > self._most:
            self._drop(next(iter(self._values)))

    async def delete(self, key: str) -> None:
        """Forget the value."""
        self._drop(key)

    def _drop(self, key: str) -> None:
        if (found := self._values.pop(key, None)) is not None:
            self._size -= _cost(key, found[1])


class PluginCache:
    """A plugin's cache, each call of it bounded; a plugin that is loaded anew is asked from then on."""

    def __init__(self, name: str, catalog: Callable[[], Catalog]) -> None:
        self.name, self._catalog = name, catalog

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None; PluginError."""
        found: bytes | None = await self._call("get", key)
        return found

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value for `ttl` seconds; PluginError."""
        await self._call("set", key, value, ttl)

    async def delete(self, key: str) -> None:
        """Forget the value; PluginError."""
        await self._call("delete", key)

    async def _call(self, method: str, *args: object) -> Any:
        if (found := self._catalog().get("cache", self.name)) is None:
            raise _missing(self.name, self._catalog())
        return await guard.call(found, method, *args, deadline=time.monotonic() + DEADLINE)


def choose_cache(name: str, catalog: Callable[[], Catalog]) -> Cache:
    """Return the cache of that name; CannotStart when no plugin supplies it."""
    if name == MemoryCache.name:
        return MemoryCache()
    if catalog().get("cache", name) is None:
        raise _missing(name, catalog())
    return PluginCache(name, catalog)


def _missing(name: str, catalog: Catalog) -> CannotStart:
    known = ", ".join([MemoryCache.name, *catalog.names("cache")])
    return CannotStart(
        f"[cache] use in config.toml names {name}, which no plugin supplies; there is {known}."
    )


def _cost(key: str, value: bytes) -> int:
    return len(key) + len(value) + _OVERHEAD
