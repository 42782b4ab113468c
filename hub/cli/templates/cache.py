"""A cache of bytes, for `[cache] use = "sample"`."""

from __future__ import annotations

import time

from hubbub import hookimpl

MOST = 10_000


class Sample:
    """Keeps the latest entries in memory."""

    name = "sample"

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, float]] = {}

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        value, ends = self._kept.get(key, (None, 0.0))
        return value if time.monotonic() < ends else None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value for `ttl` seconds."""
        self._kept.pop(key, None)
        self._kept[key] = value, time.monotonic() + ttl
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    async def delete(self, key: str) -> None:
        """Forget the value."""
        self._kept.pop(key, None)


@hookimpl
def register_caches() -> list[Sample]:
    """Supply the cache `sample`."""
    return [Sample()]
