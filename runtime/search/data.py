"""The frozen data that goes in and out of indexing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Index `paths` (absolute files or folders) into a tenant's collection.

    With `prune`, what was indexed from these paths before and is no longer there leaves.
    """

    tenant: str
    collection: str
    paths: Sequence[str]
    prune: bool = True


@dataclass(frozen=True, slots=True)
class IndexTotals:
    """What an index run came to.

    `documents` files were read, `passages` passages are new or changed, `skipped` files were
    unchanged, `removed` files left; `failed` pairs a path (or `path:line`) with a sentence.
    `mode` is "hybrid", or "keyword" where no embedder could be used.
    """

    documents: int = 0
    passages: int = 0
    skipped: int = 0
    removed: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    mode: Literal["hybrid", "keyword"] = "keyword"


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far an index run is: `done` of `total` in the phase's unit.

    "reading" counts bytes, "vectors" and "sentences" count passages; "done" comes last, once, with
    `totals`.  `current` is the file at hand while reading.
    """

    phase: Literal["reading", "vectors", "sentences", "done"]
    done: int = 0
    total: int = 0
    current: str = ""
    totals: IndexTotals | None = None


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """One collection: its files, its passages, and how many of those can be found by meaning."""

    name: str
    documents: int
    passages: int
    vectors: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One passage as a reader of documents makes it, before it is stored.

    `record` is the id of the record it is a part of (a JSON line or a row; "" for one without an id),
    None for prose; `spans` are the (start, end) of its sentences in `text`; `line` is 1-based, and so is
    `page`, 0 in what has no pages.  On a page, lines are counted from its top.
    """

    text: str
    title: str
    line: int
    record: str | None = None
    spans: tuple[tuple[int, int], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    page: int = 0
