"""What items are about: their tags and the words of their titles, rare ones counting more."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from runtime.types import CatalogueItem

_WORD = re.compile(r"\w{3,}")
_VOCABULARY = 20_000
_NEIGHBOURS = 10


def words_of(item: CatalogueItem) -> set[str]:
    """Return what an item is described by; tags and words of titles are kept apart."""
    return {f"#{tag.lower()}" for tag in item.tags} | set(_WORD.findall(item.title.lower()))


def vocabulary(items: Sequence[CatalogueItem]) -> dict[str, float]:
    """Return the words that more than one item has, each with its weight."""
    counted = Counter(word for item in items for word in words_of(item))
    shared = [(word, count) for word, count in counted.most_common(_VOCABULARY) if count > 1]
    return {word: math.log(1 + len(items) / count) for word, count in shared}


def describe(items: Sequence[CatalogueItem | None], weights: Mapping[str, float]) -> Any:
    """Return items times words as a sparse matrix with rows of unit length, or empty ones."""
    from scipy.sparse import csr_array

    numbers = {word: number for number, word in enumerate(weights)}
    values = np.fromiter(weights.values(), np.float64, len(weights))
    data, columns, starts = list[float](), list[int](), [0]
    for item in items:
        found = sorted(numbers[word] for word in words_of(item) if word in numbers) if item else []
        own = values[found]
        columns += found
        data += list(own / max(float(np.linalg.norm(own)), 1e-12))
        starts.append(len(columns))
    return csr_array(
        (np.array(data, np.float32), np.array(columns, np.int32), np.array(starts, np.int32)),
        shape=(len(items), len(numbers)),
    )


def neighbours(strange: Any, known: Any) -> Any:
    """Return strange items times known ones: how much each of the most like ones says of it.

    A row sums up to how like they are, at most 1: an item that is like nothing is expected nothing of.
    """
    from scipy.sparse import csr_array

    data, columns, starts = list[float](), list[int](), [0]
    like = (strange @ known.T).tocsr()
    for row in range(strange.shape[0]):
        place = slice(like.indptr[row], like.indptr[row + 1])
        values, where = like.data[place], like.indices[place]
        best = np.argsort(-values)[:_NEIGHBOURS]
        chosen = values[best]
        total = float(chosen.sum())
        if total > 0:
            data += list(chosen / total * chosen.mean())
            columns += list(where[best])
        starts.append(len(columns))
    return csr_array(
        (np.array(data, np.float32), np.array(columns, np.int32), np.array(starts, np.int32)),
        shape=(strange.shape[0], known.shape[0]),
    )
