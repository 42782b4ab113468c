"""Bytes are kept as text.

Found by: what is kept is found.
"""

import time

from hubbub import hookimpl


class Bad:
    name = "bad"

    def __init__(self):
        self.kept = {}

    async def get(self, key):
        value, ends = self.kept.get(key, (None, 0.0))
        return value.encode(errors="replace") if value is not None and time.monotonic() < ends else None

    async def set(self, key, value, ttl):
        self.kept[key] = value.decode(errors="replace"), time.monotonic() + ttl

    async def delete(self, key):
        self.kept.pop(key, None)


@hookimpl
def register_caches():
    return [Bad()]
