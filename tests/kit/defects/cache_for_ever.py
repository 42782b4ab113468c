"""Time never ends an entry.

Found by: time ends it.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"

    def __init__(self):
        self.kept = {}

    async def get(self, key):
        return self.kept.get(key)

    async def set(self, key, value, ttl):
        self.kept[key] = value

    async def delete(self, key):
        self.kept.pop(key, None)


@hookimpl
def register_caches():
    return [Bad()]
