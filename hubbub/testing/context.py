"""A context for tests: what the hub would lend, small, offline and the same every time."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from runtime.errors import NotFound
from runtime.inference.artifacts import Artifacts
from runtime.types import (
    CatalogueItem,
    ChatRequest,
    Delta,
    Hit,
    Hits,
    Interaction,
    JsonObject,
    Passage,
    Reply,
    SearchQuery,
    Usage,
)

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from runtime.ports import Vectors

SIZE = 64
"""Numbers of a vector that `embed` gives."""

_WORD = re.compile(r"\w+")


@dataclass
class FakeLog:
    """Keeps what was logged: the level, the event and the values."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def debug(self, event: str, **values: Any) -> None:
        """Keep detail."""
        self.lines.append(("debug", event, values))

    def info(self, event: str, **values: Any) -> None:
        """Keep what an operator may want to know."""
        self.lines.append(("info", event, values))

    def warning(self, event: str, **values: Any) -> None:
        """Keep what an operator should look at."""
        self.lines.append(("warning", event, values))

    def error(self, event: str, **values: Any) -> None:
        """Keep what is broken."""
        self.lines.append(("error", event, values))


@dataclass
class FakeModel:
    """Answers every request with the same text, and keeps the requests."""

    answer: str
    asked: list[ChatRequest]

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        """Give the answer as a whole."""
        async for delta in self.stream(request):
            if on_delta is not None:
                on_delta(delta)
        return Reply(self.answer, "fake", "stop", Usage(1, 1))

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        """Give the answer word by word."""
        self.asked.append(request)
        for word in re.findall(r"\S+\s*", self.answer):
            yield Delta(text=word)
        yield Delta(usage=Usage(1, 1), finish="stop")


@dataclass
class FakeCollection:
    """Finds passages by the words they share with the query."""

    name: str
    documents: Sequence[str]

    async def keyword(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k`."""
        return self._found(query, k, "keyword")

    async def dense(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k`."""
        return self._found(query, k, "dense")

    async def hybrid(
        self, query: str, k: int, filter: JsonObject | None = None, weight: float | None = None
    ) -> Hits:
        """Return the best `k`."""
        return self._found(query, k, "hybrid")

    async def search(self, query: SearchQuery) -> Hits:
        """Return the best `k`."""
        return self._found(query.text, query.k, query.mode)

    async def passages(self, ids: Sequence[str]) -> Sequence[Passage]:
        """Return these documents, each as one sentence."""
        known = {str(number): text for number, text in enumerate(self.documents)}
        return [Passage(id, known[id], {}, (known[id],)) for id in ids if id in known]

    def _found(self, query: str, k: int, mode: str) -> Hits:
        wanted = set(_words(query))
        hits = [
            Hit(str(number), text, float(shared), {"id": str(number)}, mode=mode)
            for number, text in enumerate(self.documents)
            if (shared := len(wanted & set(_words(text))))
        ]
        return Hits(sorted(hits, key=lambda hit: -hit.score)[:k], mode=mode)


@dataclass
class FakeInteractions:
    """What users did, as it was given; the oldest first, as it happened."""

    events: Sequence[Interaction] = ()
    catalogue: Sequence[CatalogueItem] = ()
    file: str | None = None
    """That of fitted models."""

    async def history(self, user: str, limit: int = 200) -> Sequence[Interaction]:
        """Return what a user did last, the newest first."""
        return [event for event in reversed(self.events) if event.user == user][:limit]

    async def items(self, ids: Sequence[str]) -> Sequence[CatalogueItem]:
        """Return the items with these ids, in their order."""
        known = {item.id: item for item in self.catalogue}
        return [known[id] for id in ids if id in known]

    async def newest(self, limit: int = 200) -> Sequence[str]:
        """Return the ids of the items that were given last, the newest first."""
        return [item.id for item in reversed(self.catalogue)][:limit]

    async def popular(self, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Return the items that most users turned to."""
        users: dict[str, set[str]] = {}
        for event in self.events:
            if event.kind != "dismiss":
                users.setdefault(event.item, set()).add(event.user)
        return sorted(((item, len(who)) for item, who in users.items()), key=lambda each: -each[1])[:limit]

    async def fitted(self) -> str | None:
        """Return the file of fitted models, if one was given."""
        return self.file


@dataclass
class FakeMeasures:
    """Knows one figure, "calls"; on each day it is the day's number in its month."""

    async def known(self) -> list[JsonObject]:
        """Return it."""
        about = {"about": "calls of models", "unit": "calls", "kind": "count", "words": "calls usage"}
        return [{"name": "calls", "by": ["day", "graph"], **about}]

    async def read(
        self, name: str, first: str, last: str, by: Sequence[str] = (), graph: str = ""
    ) -> JsonObject:
        """Return a row for each day, or their sum; the graph is the one asked for, or "ask"."""
        if name != "calls":
            raise NotFound(f"there is no measure {name}; there are: calls")
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
        days = [begin + timedelta(number) for number in range((end - begin).days + 1)]
        split = (
            [(day.isoformat(), day.day) for day in days] if "day" in by else [("", sum(d.day for d in days))]
        )
        values = [{"day": day, "graph": graph or "ask", "value": value, "n": value} for day, value in split]
        rows = [{key: row[key] for key in (*by, "value", "n")} for row in values]
        given = {"tenant": "tenant", "first": first, "last": last, "graph": graph or None}
        return {"name": name, "sql": "SELECT calls", "parameters": given, "rows": rows, "more": False}


@dataclass
class FakeContext:
    """The `Context` of one call; it keeps what was emitted, asked of models and logged.

    `documents` are what every collection holds, `answer` what every model says, `did` what users did.
    `models` is the folder of trained models, NAME/VERSION/…, and `predicted` what each of them gives.
    `http()` reaches only this machine.
    """

    tenant: str = "tenant"
    run: str = "run"
    thread: str = "thread"
    idempotency_key: str = "run:task:1"
    deadline: float = field(default_factory=lambda: time.monotonic() + 60)
    params: Any = None
    documents: Sequence[str] = ("Owls hunt mice at night.", "Larks sing in the morning.")
    answer: str = "Owls hunt mice."
    did: FakeInteractions = field(default_factory=FakeInteractions)
    log: Any = field(default_factory=FakeLog)
    emitted: list[Delta] = field(default_factory=list)
    asked: list[ChatRequest] = field(default_factory=list)
    client: aiohttp.ClientSession | None = None
    models: Path | None = None
    predicted: Mapping[str, Any] = field(default_factory=lambda: {"probability": [0.5]})

    def emit(self, delta: Delta) -> None:
        """Keep a piece of text."""
        self.emitted.append(delta)

    def model(self, alias: str) -> FakeModel:
        """Return a model that says `answer`."""
        return FakeModel(self.answer, self.asked)

    def collection(self, name: str) -> FakeCollection:
        """Return a collection of `documents`."""
        return FakeCollection(name, self.documents)

    def interactions(self) -> FakeInteractions:
        """Return what users did."""
        return self.did

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors that are near when texts share words."""
        import numpy as np

        vectors = np.zeros((len(texts), SIZE), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in _words(text) or [""]:
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % SIZE] += 1
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def measures(self) -> FakeMeasures:
        """Return figures that are the same every time."""
        return FakeMeasures()

    def artifact(self, name: str, version: str = "") -> Path:
        """Return the folder of a trained model's version, by default of the newest."""
        if self.models is None:
            raise NotFound(f"There is no trained model {name}; give the context a folder of `models`.")
        return Artifacts(self.models).find(name, version)

    async def predict(self, model: str, inputs: Mapping[str, Any], version: str = "") -> Mapping[str, Any]:
        """Return `predicted`, whatever the model."""
        return self.predicted

    def http(self) -> aiohttp.ClientSession:
        """Return a client that reaches loopback addresses only."""
        if self.client is None:
            from runtime.egress import Egress
            from runtime.outbound import open_client

            self.client = open_client(Egress(("127.0.0.0/8", "::1", "localhost")))
        return self.client

    async def aclose(self) -> None:
        """Close the client, if one was asked for."""
        if self.client is not None:
            await self.client.close()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
