"""step.citations and step.citation_check: what a text cites, and what it cites that nobody gave it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, StatePath, hookimpl

_CITATION = re.compile(r"\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]")
_NAMED = 5
"""Citations that a sentence names."""


class Cited(BaseModel):
    """The answer, and the passages in the order in which their numbers count."""

    text: str
    passages: StatePath = Field(alias="from")
    strict: bool = Field(default=False, description="refuse a text that cites what no passage is")


class Citations:
    """Finds `[2]` and `[1, 3]`; numbers that no passage has are left out, or refused."""

    name = "citations"
    Params = Cited
    examples = ({"text": "At night [1].", "from": [{"id": "a", "text": "Owls hunt at night."}]},)

    async def run(self, state: Mapping[str, Any], params: Cited, ctx: Context) -> list[dict[str, Any]]:
        """Return `{number, id, text, score, source}` of each cited passage, by number.

        InvalidInput for a number that no passage has, if it is `strict`.
        """
        if params.strict and (wrong := _invented(params)):
            raise InvalidInput(wrong)
        passages = params.passages or []
        cited = _numbers(params.text)
        return [
            {"number": number, **{key: passage.get(key) for key in ("id", "text", "score", "source")}}
            for number, passage in enumerate(passages, start=1)
            if number in cited
        ]


class CitationCheck:
    """Says which numbers a text cites that no passage has, so that it can be written again, or refused."""

    name = "citation_check"
    Params = Cited
    examples = ({"text": "At night [2].", "from": [{"id": "a", "text": "Owls hunt at night."}]},)

    async def run(self, state: Mapping[str, Any], params: Cited, ctx: Context) -> str:
        """Return what is wrong, "" when every citation is of a passage."""
        return _invented(params)


def _invented(params: Cited) -> str:
    there = len(params.passages or [])
    unknown = sorted(number for number in _numbers(params.text) if not 1 <= number <= there)
    if not unknown:
        return ""
    named = ", ".join(f"[{number}]" for number in unknown[:_NAMED])
    known = f"the sources are [1] to [{there}]" if there else "there are no sources"
    return f"The text cites {named}, but {known}; cite one of those, or leave it out."


def _numbers(text: str) -> set[int]:
    return {int(number) for found in _CITATION.findall(text) for number in found.split(",")}


@hookimpl
def register_steps() -> list[Citations | CitationCheck]:
    """Supply both steps."""
    return [Citations(), CitationCheck()]
