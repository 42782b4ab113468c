"""The offline model `extractive`: it quotes what answers best in the given documents, or says: nothing."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field

from hubbub import ChatRequest, Context, Delta, Hit, Usage, hookimpl

NOTHING = "I found nothing about this in the documents."

_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]*[^\Wa-z_])|\n\s*\n")
_MARKUP = re.compile(r"^(?:[-*+>#•]+|\d{1,3}[.)])\s+")
_MARKS = re.compile(r"\[(\d{1,4}(?:\s*[,–-]\s*\d{1,4})*)\]")
_ENDINGS = ("ingly", "edly", "ing", "ies", "ed", "es", "ly", "s")
_LITTLE = frozenset(
    """
    a an and any are as at be been but by can could did do does for from had has have he her him his
    how i if in into is it its me my no not of on or our she should so tell than that the their them
    then there these they this those to us was we were what when where which who whom whose why will
    with would you your
    """.split()  # noqa: SIM905 - sixty lines otherwise
)


class Settings(BaseModel):
    """`[plugins.extractive]`: how much is quoted.  The defaults were chosen on SciFact's train claims."""

    documents: int = Field(default=3, ge=1)
    sentences: int = Field(default=6, ge=1)
    from_one: int = Field(default=3, ge=1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence: where it stands, and how well it answers (`evidence` without the document's share)."""

    document: int
    place: int
    text: str
    evidence: float
    score: float


class Extractive:
    """Scores sentences by cosine, shared words and the rank of their document.

    Without vectors it goes by words and their order.  It cannot reason or verify: it quotes.
    Citations `[n]` count the documents of the request.
    """

    name = "extractive"
    overlap_share, rank_share = 0.3, 0.1
    order_share = 0.2
    enough, enough_words = 0.42, 0.34
    behind = 0.35

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the quotations word by word, then usage and the finish."""
        question = find_question(request.messages)
        text = render(self._choose(await self._candidates(question, request.documents, ctx)))
        words = re.findall(r"\S+\s*", text)
        shown = words[: request.max_tokens] if request.max_tokens else words
        for word in shown:
            yield Delta(text=word)
            await asyncio.sleep(0)
        read = sum(len(hit.text.split()) for hit in request.documents[: self._settings.documents])
        yield Delta(usage=Usage(len(question.split()) + read, len(shown), cost_usd=0.0))
        yield Delta(finish="stop" if len(shown) == len(words) else "length")

    async def _candidates(self, question: str, hits: Sequence[Hit], ctx: Context) -> list[Candidate]:
        hits = hits[: self._settings.documents]
        asked, pairs = stems(question), neighbours(question)
        if not hits or not question.strip():
            return []
        stored = await read_passages(hits, ctx)
        vector = await ctx.embed([question]) if any(v is not None for _, v in stored) else None
        found = []
        for document, (sentences, vectors) in enumerate(stored):
            cosines = None if vector is None or vectors is None else vectors @ vector[0]
            for place, sentence in enumerate(sentences):
                if not worth_quoting(sentence):
                    continue
                overlap = len(asked & stems(sentence)) / max(1, len(asked))
                if cosines is None:
                    # "What is a thread?" asks for "A thread is …", not for whatever has the word.
                    order = len(pairs & neighbours(sentence)) / max(1, len(pairs))
                    evidence, enough = overlap + self.order_share * order, overlap >= self.enough_words
                else:
                    evidence = float(cosines[place]) + self.overlap_share * overlap
                    enough = evidence >= self.enough
                if enough:
                    rank = 1.0 - document / self._settings.documents
                    score = evidence + self.rank_share * rank
                    found.append(Candidate(document, place, clean(sentence), evidence, score))
        return found

    def _choose(self, found: list[Candidate]) -> list[Candidate]:
        """Return the best sentences, not too many from one document, none far behind the best."""
        found.sort(key=lambda candidate: -candidate.score)
        chosen: list[Candidate] = []
        taken: Counter[int] = Counter()
        for candidate in found:
            if len(chosen) == self._settings.sentences or candidate.score < found[0].score - self.behind:
                break
            if taken[candidate.document] < self._settings.from_one and all(
                candidate.text != other.text for other in chosen
            ):
                taken[candidate.document] += 1
                chosen.append(candidate)
        return chosen


def find_question(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return what the last user message asks: its `question` where a graph gives one, else its text."""
    for message in reversed(messages):
        if message.get("role") == "user":
            if isinstance(asked := message.get("question"), str) and asked.strip():
                return asked
            content = message.get("content") or ""
            if isinstance(content, str):
                return content
            return " ".join(str(block.get("text", "")) for block in content if isinstance(block, Mapping))
    return ""


async def read_passages(hits: Sequence[Hit], ctx: Context) -> list[tuple[Sequence[str], Any]]:
    """Return (sentences, their vectors or None) of each hit; of hits from elsewhere the text is cut here."""
    stored = {}
    for name in {str(hit.source.get("collection", "")) for hit in hits} - {""}:
        ids = [hit.id for hit in hits if hit.source.get("collection") == name]
        stored.update({passage.id: passage for passage in await ctx.collection(name).passages(ids)})
    return [
        (stored[hit.id].sentences, stored[hit.id].vectors)
        if hit.id in stored
        else (_SENTENCE.split(hit.text), None)
        for hit in hits
    ]


def render(chosen: Sequence[Candidate]) -> str:
    """Write the sentences, each with its citation, those of one document together as they stand there."""
    if not chosen:
        return NOTHING
    paragraphs = []
    for document in dict.fromkeys(candidate.document for candidate in chosen):
        parts = sorted((c for c in chosen if c.document == document), key=lambda c: c.place)
        paragraphs.append(" ".join(f"{part.text} [{document + 1}]" for part in parts))
    return "\n\n".join(paragraphs)


def stems(text: str) -> set[str]:
    """Return the words that mean something, without their endings."""
    return {stem(word) for word in _WORD.findall(text.lower()) if word not in _LITTLE}


def neighbours(text: str) -> set[tuple[str, str]]:
    """Return each two words that stand side by side, without their endings."""
    words = [stem(word) for word in _WORD.findall(text.lower())]
    return set(pairwise(words))


def stem(word: str) -> str:
    """Take an English ending off a word, roughly."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def worth_quoting(sentence: str) -> bool:
    """Whether it says something: a heading's single word, code and table rows do not."""
    return len(_WORD.findall(sentence)) >= 3 and not sentence.startswith(("```", "~~~", "|"))


def clean(sentence: str) -> str:
    """Write it on one line, without the mark of a list item.

    The text's own reference marks become (3): as [3] they would cite a document of the request.
    """
    return _MARKS.sub(r"(\1)", _MARKUP.sub("", " ".join(sentence.split())))


@hookimpl
def register_providers(settings: Settings) -> list[Extractive]:
    """Supply the provider `extractive`."""
    return [Extractive(settings)]
