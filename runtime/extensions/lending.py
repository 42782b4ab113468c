"""What a plugin in a process of its own is lent: each thing is asked of the hub, over the pipe."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.extensions.crossing import error_of, pack, tagged, untagged
from runtime.inference.artifacts import Artifacts
from runtime.settings import Settings
from runtime.types import (
    CatalogueItem,
    ChatRequest,
    Delta,
    Hits,
    Interaction,
    JsonObject,
    Passage,
    Reply,
    SearchQuery,
)

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from runtime.ports import Vectors

T = TypeVar("T")


@dataclass(slots=True)
class Lent:
    """Asks the hub on behalf of calls, and hands its replies to whoever waits for them."""

    settings: Settings
    writer: asyncio.StreamWriter
    _waiting: dict[int, asyncio.Queue[dict[str, Any]]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _client: aiohttp.ClientSession | None = None
    artifacts: Artifacts = field(init=False)
    """The folder of trained models, which this process reads itself."""

    def __post_init__(self) -> None:
        self.artifacts = Artifacts(self.settings.inference.folder)

    def context(self, call: int, about: dict[str, Any], params: Any) -> LentContext:
        """Return the context of a call."""
        return LentContext(**about, params=params, log=LentLog(self, call), lent=self, call=call)

    def tell(self, call: int, **values: Any) -> None:
        """Tell the hub something about a call."""
        self.writer.write(pack({"id": call, **values}))

    def take(self, frame: dict[str, Any]) -> None:
        """Take a reply of the hub."""
        if waiting := self._waiting.get(frame["ask"]):
            waiting.put_nowait(frame)

    async def ask(self, call: int, what: str, *args: Any) -> Any:
        """Ask for one thing; raises the hub's error."""
        async for value, last in self.asked(call, what, *args):
            if last:
                return value
        return None

    async def asked(self, call: int, what: str, *args: Any) -> AsyncGenerator[tuple[Any, bool], None]:
        """Yield what comes, and whether it is the last."""
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.Queue()
        self.tell(call, ask=number, what=what, args=[tagged(each) for each in args])
        try:
            while True:
                frame = await waiting.get()
                if error := frame.get("error"):
                    raise error_of(error, "")
                yield untagged(frame["value"]), frame["last"]
                if frame["last"]:
                    return
        finally:
            del self._waiting[number]

    def http(self) -> aiohttp.ClientSession:
        """Return a client that reaches only what `[egress]` permits."""
        if self._client is None:
            from runtime.egress import Egress
            from runtime.outbound import open_client

            self._client = open_client(Egress(self.settings.egress.allow))
        return self._client

    async def aclose(self) -> None:
        """Close the client."""
        if self._client is not None:
            await self._client.close()


@dataclass(frozen=True, slots=True)
class LentContext:
    """The `Context` of ports.py, in a plugin's own process."""

    tenant: str
    run: str
    thread: str
    idempotency_key: str
    deadline: float
    params: Any
    log: LentLog
    lent: Lent
    call: int

    def emit(self, delta: Delta) -> None:
        """Send a piece of text to whoever watches the run."""
        self.lent.tell(self.call, emit=tagged(delta))

    def model(self, alias: str) -> LentModel:
        """Return the model behind an alias; NotFound when it is asked and there is none."""
        return LentModel(self, alias)

    def collection(self, name: str) -> LentCollection:
        """Return the tenant's collection of that name."""
        return LentCollection(self, name)

    def interactions(self) -> LentInteractions:
        """Return what the tenant's users did with its items."""
        return LentInteractions(self)

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Embed with the configured embedder; None without a model."""
        vectors: Vectors | None = await self.lent.ask(self.call, "embed", list(texts))
        return vectors

    def measures(self) -> LentMeasures:
        """Return the figures of the call's tenant."""
        return LentMeasures(self)

    def artifact(self, name: str, version: str = "") -> Path:
        """Return the folder of a trained model's version, by default of the newest."""
        return self.lent.artifacts.find(name, version)

    async def predict(self, model: str, inputs: Mapping[str, Any], version: str = "") -> Mapping[str, Any]:
        """Ask a predictive model, by default its newest version."""
        return await self.ask(dict, "predict", model, dict(inputs), version)

    def http(self) -> aiohttp.ClientSession:
        """Return an HTTP client that reaches only what `[egress]` permits."""
        return self.lent.http()

    async def ask(self, kind: type[T], what: str, *args: Any) -> T:
        """Ask the hub on behalf of this call for something of a kind."""
        answer = await self.lent.ask(self.call, what, *args)
        assert isinstance(answer, kind)
        return answer


@dataclass(frozen=True, slots=True)
class LentModel:
    """A model alias, asked through the hub's gateway."""

    ctx: LentContext
    alias: str

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        """Return the whole answer; `on_delta` is called with each piece as it comes."""
        async for value, last in self.ctx.lent.asked(
            self.ctx.call, "complete", self.alias, request, on_delta is not None
        ):
            if last:
                assert isinstance(value, Reply)
                return value
            if on_delta is not None:
                on_delta(value)
        raise AssertionError("a reply has a last frame")

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it is made."""
        async for value, last in self.ctx.lent.asked(self.ctx.call, "stream", self.alias, request):
            if not last:
                yield value


@dataclass(frozen=True, slots=True)
class LentCollection:
    """A collection of the call's tenant, searched by the hub."""

    ctx: LentContext
    name: str

    async def keyword(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` passages by BM25."""
        return await self.ctx.ask(Hits, "keyword", self.name, query, k, filter)

    async def dense(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` by cosine."""
        return await self.ctx.ask(Hits, "dense", self.name, query, k, filter)

    async def hybrid(
        self, query: str, k: int, filter: JsonObject | None = None, weight: float | None = None
    ) -> Hits:
        """Fuse both."""
        return await self.ctx.ask(Hits, "hybrid", self.name, query, k, filter, weight)

    async def search(self, query: SearchQuery) -> Hits:
        """Search in the way that the query says."""
        return await self.ctx.ask(Hits, "search", self.name, query)

    async def passages(self, ids: Sequence[str]) -> Sequence[Passage]:
        """Return the stored passages of these hit ids."""
        return await self.ctx.ask(list, "passages", self.name, list(ids))


@dataclass(frozen=True, slots=True)
class LentInteractions:
    """What the users of the call's tenant did, read by the hub."""

    ctx: LentContext

    async def history(self, user: str, limit: int = 200) -> Sequence[Interaction]:
        """Return what a user did last, the newest first."""
        return await self.ctx.ask(list, "history", user, limit)

    async def items(self, ids: Sequence[str]) -> Sequence[CatalogueItem]:
        """Return the items with these ids."""
        return await self.ctx.ask(list, "items", list(ids))

    async def newest(self, limit: int = 200) -> Sequence[str]:
        """Return the ids of the items that came into the catalogue last."""
        return await self.ctx.ask(list, "newest", limit)

    async def popular(self, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Return the items that most users turned to of late."""
        return [(item, users) for item, users in await self.ctx.ask(list, "popular", limit)]

    async def fitted(self) -> str | None:
        """Return the file of the models that were fitted last."""
        file: str | None = await self.ctx.lent.ask(self.ctx.call, "fitted")
        return file


@dataclass(frozen=True, slots=True)
class LentMeasures:
    """The figures of the call's tenant, read by the hub."""

    ctx: LentContext

    async def known(self) -> Sequence[JsonObject]:
        """Return what can be asked."""
        return await self.ctx.ask(list, "known")

    async def read(
        self, name: str, first: str, last: str, by: Sequence[str] = (), graph: str = ""
    ) -> JsonObject:
        """Return the rows of one figure, and the SQL that gave them."""
        return await self.ctx.ask(dict, "read", name, first, last, list(by), graph)


@dataclass(frozen=True, slots=True)
class LentLog:
    """The hub's log."""

    lent: Lent
    call: int

    def _tell(self, level: str, event: str, values: dict[str, Any]) -> None:
        plain = {
            key: value if isinstance(value, str | int | float | None) else str(value)
            for key, value in values.items()
        }
        self.lent.tell(self.call, log=[level, event, plain])

    def debug(self, event: str, **values: Any) -> None:
        """Log detail for the author of a plugin."""
        self._tell("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """Log what an operator may want to know."""
        self._tell("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        """Log what an operator should look at."""
        self._tell("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        """Log what is broken."""
        self._tell("error", event, values)
