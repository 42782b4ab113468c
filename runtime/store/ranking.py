"""How well items answer a query: by the cosine of their vectors, or by the words they share with it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.ports import Vectors

_AT_ONCE = 2048
"""Items whose vectors are in memory at the same time."""
_WORDS = 32
"""Words of a query that are looked for; of a longer one, the first of these."""
_MANY, _LONG = 1.2, 0.75
"""BM25's k1 and b."""

_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("ing", "ies", "ed", "es", "s")
_STEM = 3
_LITTLE = frozenset(
    """
    a an and any are as at be been but by can could did do does for from had has have he her him his
    how i if in into is it its me my no not of on or our she should so tell than that the their them
    then there these they this those to us was we were what when where which who whom whose why will
    with would you your
    """.split()  # noqa: SIM905 - sixty lines otherwise
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ids with their scores, best first.  `whole` is False when some items could not be ranked."""

    scores: list[tuple[int, float]]
    whole: bool = True


def unit(vectors: Vectors) -> Vectors:
    """Return vectors of length 1, so that a product is a cosine; 0 for what has no direction."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    sound = (lengths > 0) & np.isfinite(lengths)
    made: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=sound)
    return made


def rank_by_cosine(query: Vectors, rows: Iterator[tuple[int, bytes | None]]) -> Ranking:
    """Rank items by the best of their vectors; `query` has shape (size,) and length 1.

    Rows are id and vectors, one after the other; None where there are none of this space.
    """
    import numpy as np

    ids: list[int] = []
    scores: list[Any] = []
    whole = True
    while chunk := list(islice(rows, _AT_ONCE)):
        whole = whole and all(data is not None for _, data in chunk)
        known = [(id, data) for id, data in chunk if data]
        if not known:
            continue
        # vecdot, not @: on small matrices BLAS spends thirty times as long on waking its threads.
        starts = np.cumsum([0, *(len(data) // query.nbytes for _, data in known[:-1])])
        matrix = np.frombuffer(b"".join(data for _, data in known), np.float32).reshape(-1, len(query))
        scores.append(np.maximum.reduceat(np.vecdot(matrix, query), starts))
        ids += [id for id, _ in known]
    if not ids:
        return Ranking([], whole)
    every = np.concatenate(scores)
    # Equal scores: the item that was stored last comes first, so that pages do not overlap.
    order = np.lexsort((-np.asarray(ids), -every))
    return Ranking([(ids[at], float(every[at])) for at in order], whole)


def rank_by_words(query: str, documents: Iterable[tuple[int, str]]) -> Ranking:
    """Rank items by BM25 among these documents; what has no word of the query is left out."""
    wanted = _wanted(query)
    found: list[tuple[int, int, dict[str, int]]] = []
    spread: Counter[str] = Counter()
    count = length = 0
    for id, text in documents:
        count, length = count + 1, length + len(text)
        folded = text.casefold()
        hits = {stem: times for stem in wanted if stem in folded and (times := _count(stem, folded))}
        if hits:
            spread.update(hits.keys())
            found.append((id, len(text), hits))
    rarity = {stem: math.log(1 + (count - seen + 0.5) / (seen + 0.5)) for stem, seen in spread.items()}
    scores = [(id, _bm25(hits, rarity, size * count / max(1, length))) for id, size, hits in found]
    return Ranking(sorted(scores, key=lambda each: (-each[1], -each[0])))


def _count(stem: str, text: str) -> int:
    """Count the words of a text that begin with a stem."""
    times, at = 0, text.find(stem)
    while at >= 0:
        times += at == 0 or not text[at - 1].isalnum()
        at = text.find(stem, at + len(stem))
    return times


def _bm25(hits: dict[str, int], rarity: dict[str, float], length: float) -> float:
    """`length` is that of the document in average lengths."""
    damping = _MANY * (1 - _LONG + _LONG * length)
    return sum(rarity[stem] * times * (_MANY + 1) / (times + damping) for stem, times in hits.items())


def _wanted(query: str) -> list[str]:
    """Return the stems of a query's words, without those that mean little unless there are no others."""
    words = list(dict.fromkeys(_WORD.findall(query.casefold())))
    meant = [word for word in words if word not in _LITTLE] or words
    return list(dict.fromkeys(map(_stem, meant[:_WORDS])))


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM:
            return word.removesuffix(ending)
    return word
