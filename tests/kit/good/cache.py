"""A dictionary with an end to each entry."""

import time

from hubbub import hookimpl


class Dictionary:
    """Keeps bytes in memory."""

    name = "dictionary"

    def __init__(self):
        self.kept = {}

    async def get(self, key):
        value, ends = self.kept.get(key, (None, 0.0))
        return value if time.monotonic() < ends else None

    async def set(self, key, value, ttl):
        self.kept[key] = value, time.monotonic() + ttl

    async def delete(self, key):
        self.kept.pop(key, None)


@hookimpl
def register_caches():
    return [Dictionary()]
