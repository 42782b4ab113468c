"""Keys are cut and folded.

Found by: calls at once do not mix; keys are told apart.
"""

import time

from hubbub import hookimpl


class Bad:
    name = "bad"

    def __init__(self):
        self.kept = {}

    async def get(self, key):
        value, ends = self.kept.get(key[:3].lower(), (None, 0.0))
        return value if time.monotonic() < ends else None

    async def set(self, key, value, ttl):
        self.kept[key[:3].lower()] = value, time.monotonic() + ttl

    async def delete(self, key):
        self.kept.pop(key[:3].lower(), None)


@hookimpl
def register_caches():
    return [Bad()]
