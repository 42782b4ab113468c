"""Plugin files that work, and what the list says of them."""

from runtime.extensions.catalog import Catalog, PluginInfo

FIT = """
from pydantic import BaseModel
from hubbub import Score, hookimpl

class Settings(BaseModel):
    big: int = 500

class Fit:
    name = "fit"
    def __init__(self, big): self.big = big
    async def score(self, item, ctx):
        return Score(value=min(1.0, item["employees"] / self.big))

@hookimpl
def register_scorers(settings):
    return [Fit(settings.big)]
"""

SCORER = """
from hubbub import Score, hookimpl

class Fit:
    name = "{name}"
    async def score(self, item, ctx):
        return Score(1.0)

@hookimpl
def register_scorers():
    return [Fit()]
"""


def named(catalog: Catalog, name: str) -> list[PluginInfo]:
    """Return what the list of plugins says of those with a name."""
    return [info for info in catalog.plugins if info.name == name]
