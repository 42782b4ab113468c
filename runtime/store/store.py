"""The store: every tenant's own items, found by name, by what they hold, and by what they mean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import orjson

from runtime.errors import HubbubError, InvalidInput
from runtime.records import ItemsWhere, ItemVectors, ItemWrite, StoredItem
from runtime.storage import Items
from runtime.store.matching import check_filter, choose_namespaces, equalities, matches
from runtime.store.ranking import Ranking, rank_by_cosine, rank_by_words, unit
from runtime.store.requests import (
    MAX_QUERY,
    WHOLE,
    ItemQuery,
    NamespaceQuery,
    Put,
    check_key,
    check_labels,
    check_page,
    check_put,
    fields_of,
)
from runtime.store.texts import texts_of
from runtime.telemetry import get_logger

if TYPE_CHECKING:
    from runtime.ports import Vectors

Mode = Literal["", "semantic", "keyword"]

TIDY_EVERY = 60.0
"""Seconds between two rounds of deleting what has expired and embedding what has no vectors."""
_EMBEDDED = 32
"""Texts that are embedded in one call."""

_log = get_logger(__name__)


class Embedding(Protocol):
    """Turns texts into vectors, where that can be done."""

    @property
    def space(self) -> str:
        """What vectors must share to be compared; "" while there is no embedder."""

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Return vectors of shape (len(texts), size); None without an embedder."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of items, best first, with the score of each where it was ranked.

    `mode` is how a query was answered, "" without one.  `degraded` says that it was not answered by
    meaning, or that some items have no vectors yet and were left out.
    """

    items: list[tuple[StoredItem, float | None]]
    mode: Mode = ""
    degraded: bool = False


class Store:
    """Every method takes the tenant first; another tenant's item looks like none at all."""

    def __init__(self, items: Items, embedding: Embedding, clock: Callable[[], float] = time.time) -> None:
        self._items, self._embedding, self._clock = items, embedding, clock
        self._whole = ""
        """The space in which every item has its vectors, as far as this process knows."""
        self._tidying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to tidy in the background."""
        self._tidying = asyncio.create_task(self._tidy_on(), name="store tidying")

    async def aclose(self) -> None:
        """Stop tidying."""
        if self._tidying is not None:
            self._tidying.cancel()
            with suppress(asyncio.CancelledError):
                await self._tidying

    # ----------------------------------------------------------------- what clients ask for

    async def put(self, tenant: str, puts: Sequence[Put]) -> None:
        """Store or delete items, all or none; returns when they are on disk and a query finds them.

        InvalidInput or TooLarge when one of them cannot be stored.
        """
        values = [check_put(put) for put in puts]
        texts = [None if value is None else _texts(put) for put, value in zip(puts, values, strict=True)]
        vectors = await self._vectors_of(texts)
        now = self._clock()
        await self._items.write(
            tenant, [_write(*each, now) for each in zip(puts, values, vectors, strict=True)]
        )
        spaces = {
            made and made.space for wanted, made in zip(texts, vectors, strict=True) if wanted is not None
        }
        if spaces - {self._embedding.space}:
            self._whole = ""

    async def get(
        self, tenant: str, namespace: tuple[str, ...], key: str, *, refresh: bool = True
    ) -> StoredItem | None:
        """Return an item, or None; `refresh` lets its time begin anew."""
        check_labels(namespace)
        check_key(key)
        found = await self._items.item(tenant, namespace, key, self._clock())
        if found and refresh:
            self._refresh([found])
        return found

    async def search(self, tenant: str, query: ItemQuery) -> Found:
        """Return a page of items; InvalidInput for a filter or a page that cannot be."""
        check_labels(query.prefix)
        check_page(query.limit, query.offset)
        check_filter(query.filter)
        if len(query.query or "") > MAX_QUERY:
            raise InvalidInput(f"A query has at most {MAX_QUERY} characters; shorten it.")
        where = ItemsWhere(query.prefix, self._clock())
        if query.filter:
            accept = partial(matches, filter=query.filter)
            where = replace(where, accept=accept, equal=equalities(query.filter))
        if query.query:
            found = await self._ranked(tenant, query, where)
        else:
            page = await self._items.latest(tenant, where, limit=query.limit, offset=query.offset)
            found = Found([(item, None) for item in page])
        if query.refresh:
            self._refresh([item for item, _ in found.items])
        return found

    async def namespaces(self, tenant: str, query: NamespaceQuery) -> list[tuple[str, ...]]:
        """Return a page of the namespaces that hold items, in order."""
        check_labels(query.prefix)
        check_labels(query.suffix)
        check_page(query.limit, query.offset)
        if query.max_depth is not None and query.max_depth < 1:
            raise InvalidInput("`max_depth` is at least 1; leave it out for whole namespaces.")
        return choose_namespaces(await self._items.namespaces(tenant, self._clock()), query)

    async def tidy(self) -> None:
        """Delete what has expired, and embed what was stored without the present embedder."""
        await self._items.sweep(self._clock())
        space = self._embedding.space
        while space and self._whole != space:
            items = await self._items.without_vectors(space, self._clock(), _EMBEDDED)
            made = await self._vectors_of([texts_of(item.value, item.fields or ()) for item in items])
            for item, vectors in zip(items, made, strict=True):
                if vectors is None:
                    return
                await self._items.put_vectors(item, vectors)
            if not items:
                self._whole = space

    # ----------------------------------------------------------------- searching

    async def _ranked(self, tenant: str, query: ItemQuery, where: ItemsWhere) -> Found:
        words = query.query or ""
        if (vector := await self._query_vector(words)) is None:
            ranking = await self._items.rank_values(
                tenant, where, lambda rows: rank_by_words(words, _documents(rows))
            )
            return Found(await self._page(tenant, ranking, query), "keyword", degraded=True)
        space, direction = vector
        ranking = await self._items.rank_vectors(
            tenant, where, space, lambda rows: rank_by_cosine(direction, rows)
        )
        return Found(await self._page(tenant, ranking, query), "semantic", degraded=not ranking.whole)

    async def _page(
        self, tenant: str, ranking: Ranking, query: ItemQuery
    ) -> list[tuple[StoredItem, float | None]]:
        scores = dict(ranking.scores[query.offset : query.offset + query.limit])
        items = await self._items.items(tenant, list(scores), self._clock())
        return [(item, scores[item.id]) for item in items]

    async def _query_vector(self, query: str) -> tuple[str, Vectors] | None:
        """Return the space and the direction of a query; None when it cannot be embedded."""
        space = self._embedding.space
        try:
            made = await self._embedding.embed([query])
        except HubbubError as error:
            _log.warning("store searched by keyword only", reason=str(error))
            return None
        return None if made is None or not space else (space, unit(made)[0])

    def _refresh(self, items: Sequence[StoredItem]) -> None:
        if mortal := [item.id for item in items if item.ttl is not None]:
            self._items.touch(mortal, self._clock())

    # ----------------------------------------------------------------- vectors

    async def _vectors_of(self, texts: Sequence[Sequence[str] | None]) -> list[ItemVectors | None]:
        """Embed the texts of several items; None for one without texts to embed, or without an embedder."""
        every = list(dict.fromkeys(text for several in texts for text in several or ()))
        space = self._embedding.space
        made: dict[str, bytes] = {}
        try:
            for start in range(0, len(every), _EMBEDDED):
                batch = every[start : start + _EMBEDDED]
                vectors = await self._embedding.embed(batch) if space else None
                if vectors is None:
                    return [None] * len(texts)
                made.update(zip(batch, map(bytes, unit(vectors)), strict=True))
        except HubbubError as error:
            # What is stored must not depend on the embedder: it is embedded when the store is tidied.
            _log.warning("items stored without vectors", reason=str(error))
            return [None] * len(texts)
        return [
            None
            if several is None or not space
            else ItemVectors(space, b"".join(made[text] for text in several))
            for several in texts
        ]

    async def _tidy_on(self) -> None:
        while True:
            try:
                await self.tidy()
            except HubbubError as error:
                _log.warning("store not tidied", reason=str(error))
            await asyncio.sleep(TIDY_EVERY)


def _write(put: Put, value: bytes | None, vectors: ItemVectors | None, now: float) -> ItemWrite:
    ttl = None if put.ttl is None else put.ttl * 60
    return ItemWrite(put.namespace, put.key, now, value, fields_of(put), ttl, vectors)


def _texts(put: Put) -> list[str] | None:
    fields = fields_of(put)
    return None if fields is None else texts_of(put.value or {}, fields)


def _documents(rows: Iterator[tuple[int, bytes, bytes]]) -> Iterator[tuple[int, str]]:
    """Yield id and text of items given as JSON."""
    for id, value, fields in rows:
        paths = orjson.loads(fields)
        # The whole value is its JSON: that is there already.
        whole = paths == list(WHOLE)
        yield id, value.decode() if whole else "\n".join(texts_of(orjson.loads(value), paths))
