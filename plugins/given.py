"""retriever.given: finds passages in texts that the caller gives, instead of a collection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, Hit, InvalidInput, StatePath, hookimpl

MOST = 2_000_000
"""Characters that all texts together may have."""
PASSAGE = 1_200
"""Characters of one passage."""

_PARAGRAPH = re.compile(r"\S.*?(?=\n[^\S\n]*\n|\Z)", re.DOTALL)
_PART = re.compile(rf"\S.{{0,{PASSAGE - 1}}}(?=\s|\Z)|\S{{{PASSAGE}}}", re.DOTALL)
_WORD = re.compile(r"[^\W_]+")


class Texts(BaseModel):
    """What is searched."""

    texts: StatePath = Field(
        default=None, alias="from", description="a list of texts, or of { text, title, id, url }"
    )


@dataclass(frozen=True, slots=True)
class Text:
    """One text that was given."""

    id: str
    title: str
    path: str
    text: str


class Given:
    """Ranks paragraphs by the share of the query's words that they have."""

    name = "given"
    Params = Texts
    examples = ("When do owls hunt?",)

    async def search(self, query: str, k: int, ctx: Context) -> list[Hit]:
        """Return the best `k` passages; those that share no word come last, in their order."""
        return await asyncio.to_thread(_ranked, query, k, list(_texts(ctx.params.texts)))


def _ranked(query: str, k: int, texts: Sequence[Text]) -> list[Hit]:
    asked = _words(query)
    found = [
        Hit(
            f"{text.id}#{number}",
            passage,
            len(asked & _words(f"{text.title} {passage}")) / max(1, len(asked)),
            {"path": text.path, "id": text.id, "title": text.title, "line": line},
        )
        for text in texts
        for number, (line, passage) in enumerate(_passages(text.text), start=1)
    ]
    return sorted(found, key=lambda hit: -hit.score)[:k]


def _texts(given: Any) -> Iterator[Text]:
    if given is not None and not isinstance(given, list | tuple):
        raise InvalidInput("retriever.given searches a list of texts; give it one as from")
    left = MOST
    for number, each in enumerate(given or [], start=1):
        item = each if isinstance(each, Mapping) else {"text": each}
        text = item.get("text")
        if not isinstance(text, str):
            raise InvalidInput(f'source {number} has no text; write it as a text, or as {{ text = "…" }}')
        if (left := left - len(text)) < 0:
            raise InvalidInput(f"the sources have more than {MOST:,} characters; index them as a collection")
        id = str(item.get("id") or f"source {number}")
        yield Text(id, str(item.get("title") or ""), str(item.get("url") or id), text)


def _passages(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, passage): whole paragraphs packed together, long ones cut between words."""
    line, counted = 1, 0
    for start, end in _packed(text):
        line, counted = line + text.count("\n", counted, start), start
        yield line, text[start:end]


def _packed(text: str) -> Iterator[tuple[int, int]]:
    start = end = -1
    for first, last in _parts(text):
        if start >= 0 and last - start > PASSAGE:
            yield start, end
            start = -1
        start, end = (first if start < 0 else start), last
    if start >= 0:
        yield start, end


def _parts(text: str) -> Iterator[tuple[int, int]]:
    for paragraph in _PARAGRAPH.finditer(text):
        first, last = paragraph.start(), paragraph.start() + len(paragraph.group().rstrip())
        if last - first <= PASSAGE:
            yield first, last
        else:
            yield from (part.span() for part in _PART.finditer(text, first, last))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


@hookimpl
def register_retrievers() -> list[Given]:
    """Supply `retriever.given`."""
    return [Given()]
