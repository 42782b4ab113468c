"""Forgetting what is not there is a failure.

Found by: what is unknown is none.
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
        self.kept[key] = value, time.monotonic() + ttl

    async def delete(self, key):
        del self.kept[key]


@hookimpl
def register_caches():
    return [Bad()]
