"""A key keeps its first time.

Found by: the last value counts.
"""

import time

from hubbub import hookimpl


class Bad:
    name = "bad"

    def __init__(self):
        self.kept = {}

    async def get(self, key):
        value, ends = self.kept.get(key, (None, 0.0))
        return value if time.monotonic() < ends else None

    async def set(self, key, value, ttl):
        _, ends = self.kept.get(key, (b"", time.monotonic() + ttl))
        self.kept[key] = value, ends

    async def delete(self, key):
        self.kept.pop(key, None)


@hookimpl
def register_caches():
    return [Bad()]
