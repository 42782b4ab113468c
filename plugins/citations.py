"""step.citations and step.citation_check: what a text cites, and what it cites that nobody gave it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, StatePath, hookimpl

_CITATION = re.compile(r"\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]")
_MOST_QUOTES, _LONGEST_QUOTE = 20, 2_000
"""Quotes of one passage that are looked for, and the characters one may have."""
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
        """Return `{number, id, text, score, source, quotes}` of each cited passage, by number.

        `quotes` are the places in its text, `{start, end}`, of what the answer repeats of it word by word.
        InvalidInput for a number that no passage has, if it is `strict`.
        """
        if params.strict and (wrong := _invented(params)):
            raise InvalidInput(wrong)
        passages = params.passages or []
        cited = _claims(params.text)
        return [
            {
                "number": number,
                **{key: passage.get(key) for key in ("id", "text", "score", "source")},
                "quotes": _places(cited[number], str(passage.get("text") or "")),
            }
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
    passages = params.passages or []
    there = len(passages)
    # A passage that is quoted may have notes of its own.
    notes = _claims(" ".join(str(passage.get("text") or "") for passage in passages)).keys()
    unknown = sorted(_claims(params.text).keys() - notes - set(range(1, there + 1)))
    if not unknown:
        return ""
    named = ", ".join(f"[{number}]" for number in unknown[:_NAMED])
    known = f"the sources are [1] to [{there}]" if there else "there are no sources"
    return f"The text cites {named}, but {known}; cite one of those, or leave it out."


def _claims(text: str) -> dict[int, list[str]]:
    """Return what stands before each citation, back to the one before it, by the number that is cited."""
    claims: dict[int, list[str]] = {}
    claim, start = "", 0
    for found in _CITATION.finditer(text):
        # Of "so it is [1] [2]" the second one is about the same.
        claim = text[start : found.start()].strip().lstrip(".,;: \n") or claim
        start = found.end()
        for number in found[1].split(","):
            claims.setdefault(int(number), []).append(claim)
    return claims


def _places(claims: Sequence[str], text: str) -> list[dict[str, int]]:
    """Return where these words stand in a text, however they are parted by white space there."""
    places: dict[tuple[int, int], None] = {}
    for claim in claims[:_MOST_QUOTES]:
        words = claim.split() if len(claim) <= _LONGEST_QUOTE else []
        if words and (found := re.search(r"\s+".join(map(re.escape, words)), text)):
            places[found.span()] = None
    return [{"start": start, "end": end} for start, end in places]


@hookimpl
def register_steps() -> list[Citations | CitationCheck]:
    """Supply both steps."""
    return [Citations(), CitationCheck()]
