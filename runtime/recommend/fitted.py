"""Models as they are kept in a file and asked: scores of all items for one user, and reasons."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from runtime.errors import StorageError
from runtime.recommend.content import describe, neighbours
from runtime.recommend.evaluation import bucket_of
from runtime.recommend.scoring import Parts, Recipe

if TYPE_CHECKING:
    from runtime.recommend.sample import Whole
    from runtime.recommend.scoring import Scores
    from runtime.types import CatalogueItem, JsonObject

FORMAT = 2
"""A file of another one is not read: it is made again in moments."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Fitted:
    """Models of one tenant.

    `items` are the ids that `parts` knows, then those that nobody had turned to yet: what is expected of
    them is a row each of `expected`.  `titles` go with `items`, "" where there is none.  `words` weigh
    descriptions, `users` counts who turned to each item, `share` is how much counts what is only expected.
    """

    items: Sequence[str]
    titles: Sequence[str]
    parts: Parts
    users: Whole
    expected: Any
    words: Mapping[str, float]
    recipes: Mapping[int, Recipe]
    share: float
    about: JsonObject

    @cached_property
    def place(self) -> Mapping[str, int]:
        """The number of each item."""
        return {item: number for number, item in enumerate(self.items)}

    def known(self, ids: Sequence[str]) -> list[int]:
        """Return the numbers of those items that people have turned to, each once."""
        most, place = len(self.users), self.place
        found = dict.fromkeys(place[id] for id in ids if id in place)
        return [number for number in found if number < most]

    def recipe(self, had: Sequence[int], back: bool = False) -> Recipe:
        """Return what counts for somebody who had these items, and maybe came back."""
        return self.recipes[bucket_of(len(had), back)]

    def score(self, had: Sequence[int], back: bool = False) -> Scores:
        """Return a score from 0 to 1 for each of `items`."""
        known = self.parts.one(had, self.recipe(had, back))
        return np.concatenate([known, self.share * (self.expected @ known)])

    def expect(self, strange: Sequence[CatalogueItem]) -> Any:
        """Return a row for each item that came later: how much those that are like it say of it."""
        return neighbours(describe(strange, self.words), self.parts.features)

    def reasons(self, had: Sequence[int], items: Sequence[int], most: int = 2) -> list[list[int]]:
        """Return for each item the ones among those a user had that speak most for it."""
        known = [item for item in items if item < len(self.users)]
        if not had or not known:
            return [[] for _ in items]
        weights = self.parts.ease[np.ix_(had, known)]
        said = weights.toarray() if hasattr(weights, "toarray") else weights
        order = np.argsort(-said, axis=0)[:most]
        found = {}
        for item, column, best in zip(known, said.T.tolist(), order.T.tolist(), strict=True):
            least = column[best[0]] / 2
            found[item] = [had[place] for place in best if column[place] > 0 and column[place] >= least]
        return [found.get(item, []) for item in items]


def save(fitted: Fitted, path: Path) -> None:
    """Put a file into the place of an older one, whole, or not at all."""
    recipes = {
        str(bucket): [recipe.name, recipe.ease, recipe.popularity, recipe.content, recipe.demand]
        for bucket, recipe in fitted.recipes.items()
    }
    more = {
        "format": FORMAT,
        "items": fitted.items,
        "titles": fitted.titles,
        "words": fitted.words,
        "recipes": recipes,
    }
    plain = {**fitted.about, **more, "share": fitted.share}
    arrays = {
        "about": np.frombuffer(orjson.dumps(plain), np.uint8),
        "popularity": fitted.parts.popularity,
        "demand": fitted.parts.demand,
        "users": fitted.users,
        **_flat("ease", fitted.parts.ease),
        **_flat("features", fitted.parts.features),
        **_flat("expected", fitted.expected),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def load(path: Path) -> Fitted:
    """Read a file; StorageError when it is none of ours."""
    try:
        with np.load(path, allow_pickle=False) as found:
            plain = _plain(found)
            recipes = {int(bucket): Recipe(*given) for bucket, given in plain.pop("recipes").items()}
            ease, features, expected = (_folded(name, found) for name in ("ease", "features", "expected"))
            parts = Parts(ease, found["popularity"], found["demand"], features)
            items, titles, words, share = (plain.pop(name) for name in ("items", "titles", "words", "share"))
            return Fitted(items, titles, parts, found["users"], expected, words, recipes, share, plain)
    except _UNREADABLE as error:
        raise StorageError(
            f"The models in {path} cannot be read ({error}); make them again with `hubbub train recommend`."
        ) from error


def about(path: Path) -> JsonObject | None:
    """Return what is said of the models in a file, or None where there are none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return _plain(found)
    except _UNREADABLE:
        return None


def _plain(found: Mapping[str, Any]) -> JsonObject:
    plain: JsonObject = orjson.loads(found["about"].tobytes())
    if plain.pop("format") != FORMAT:
        raise ValueError("it was written by another version")
    return plain


def _flat(name: str, matrix: Any) -> dict[str, Any]:
    if isinstance(matrix, np.ndarray):
        return {name: matrix}
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    return {f"{name}.{part}": value for part, value in {**parts, "shape": np.array(matrix.shape)}.items()}


def _folded(name: str, found: Mapping[str, Any]) -> Any:
    from scipy.sparse import csr_array

    if name in found:
        return found[name]
    data, indices, indptr, shape = (
        found[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape")
    )
    return csr_array((data, indices, indptr), shape=tuple(shape))
