"""A step kind: for `use = "step.sample"` in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from hubbub import Context, JsonObject, hookimpl


class Sample:
    """Counts the words and characters of a text."""

    name = "sample"
    examples = ({"text": "one two"}, {"text": ""})

    class Params(BaseModel):
        """What a graph file passes."""

        text: str

    async def run(self, state: Mapping[str, Any], params: Params, ctx: Context) -> JsonObject:
        """Return the result; the graph's `save` says where it is written."""
        return {"words": len(params.text.split()), "characters": len(params.text)}


@hookimpl
def register_steps() -> list[Sample]:
    """Supply `step.sample`."""
    return [Sample()]
