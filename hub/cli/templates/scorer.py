"""A scorer: gives an item a number from 0 to 1, for `use = "scorer.sample"` in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from hubbub import Context, Score, hookimpl


class Settings(BaseModel):
    """Values come from [plugins.sample] in config.toml."""

    big: int = 500


class Sample:
    """Scores a lead by the size of its company."""

    name = "sample"
    examples = ({"employees": 50}, {"employees": 700})

    def __init__(self, settings: Settings) -> None:
        self._big = settings.big

    async def score(self, item: Mapping[str, Any], ctx: Context) -> Score:
        """Score one item, with a sentence for each reason."""
        people = item.get("employees") or 0
        return Score(value=min(1.0, people / self._big), reasons=(f"The company has {people} people.",))


@hookimpl
def register_scorers(settings: Settings) -> list[Sample]:
    """Supply `scorer.sample`."""
    return [Sample(settings)]
