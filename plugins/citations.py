"""step.citations: of all passages that were found, those that an answer really cites."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, StatePath, hookimpl

_CITATION = re.compile(r"\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]")


class Cited(BaseModel):
    """The answer, and the passages in the order in which their numbers count."""

    text: str
    passages: StatePath = Field(alias="from")


class Citations:
    """Finds `[2]` and `[1, 3]`; numbers that no passage has are left out."""

    name = "citations"
    Params = Cited
    examples = ({"text": "At night [1].", "from": [{"id": "a", "text": "Owls hunt at night."}]},)

    async def run(self, state: Mapping[str, Any], params: Cited, ctx: Context) -> list[dict[str, Any]]:
        """Return `{number, id, text, score, source}` of each cited passage, by number."""
        passages = params.passages or []
        cited = {int(number) for found in _CITATION.findall(params.text) for number in found.split(",")}
        return [
            {"number": number, **{key: passage.get(key) for key in ("id", "text", "score", "source")}}
            for number, passage in enumerate(passages, start=1)
            if number in cited
        ]


@hookimpl
def register_steps() -> list[Citations]:
    """Supply `step.citations`."""
    return [Citations()]
