"""The Protocols between the engine and plugins: what a plugin is given, and what it supplies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from runtime.types import (
    CatalogueItem,
    ChatRequest,
    Delta,
    Event,
    Hit,
    Hits,
    Interaction,
    Item,
    JsonObject,
    Passage,
    Reply,
    Score,
    SearchQuery,
    Verdict,
)

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

    Vectors = NDArray[np.float32]

# --------------------------------------------------------------------------- what a plugin is given


class Log(Protocol):
    """Structured logging: an event and key-value pairs; run, thread and tenant are added by the host."""

    def debug(self, event: str, **values: Any) -> Any:
        """Log detail for the author of a plugin."""

    def info(self, event: str, **values: Any) -> Any:
        """Log what an operator may want to know."""

    def warning(self, event: str, **values: Any) -> Any:
        """Log what an operator should look at."""

    def error(self, event: str, **values: Any) -> Any:
        """Log what is broken."""


class ModelHandle(Protocol):
    """A model alias, ready to be asked through the gateway (retries, fallback, cost, spans)."""

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        """Return the whole answer; `request.model` is ignored, the alias decides.

        `on_delta` is called with each piece as it comes.
        """

    def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        """Yield the answer as it is made."""


class Collection(Protocol):
    """One tenant's collection of indexed passages."""

    name: str

    async def keyword(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` passages by BM25; higher scores are better."""

    async def dense(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` by cosine; without vectors or a model: nothing, `degraded`."""

    async def hybrid(
        self, query: str, k: int, filter: JsonObject | None = None, weight: float | None = None
    ) -> Hits:
        """Fuse both (min-max; `weight` is the dense share, default `[search] weight`).

        Without vectors the hits are the keyword ones, with mode "keyword" and `degraded`.
        """

    async def search(self, query: SearchQuery) -> Hits:
        """Search in the way that the query says; what the three ways above do, and facets and the like."""

    async def passages(self, ids: Sequence[str]) -> Sequence[Passage]:
        """Return the stored passages of these hit ids, in their order; unknown ids are left out."""


class Interactions(Protocol):
    """What a tenant's users did with its items, and what these items are."""

    async def history(self, user: str, limit: int = 200) -> Sequence[Interaction]:
        """Return what a user did last, the newest first; nothing of somebody unknown."""

    async def items(self, ids: Sequence[str]) -> Sequence[CatalogueItem]:
        """Return the items with these ids, in their order; what the catalogue does not hold is left out."""

    async def newest(self, limit: int = 200) -> Sequence[str]:
        """Return the ids of the items that came into the catalogue last, the newest first."""

    async def popular(self, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Return the items that most users turned to of late, each with how many users that were."""

    async def fitted(self) -> str | None:
        """Return the file of the models that were fitted last, for `hubbub.recommending`; None before."""


class Measures(Protocol):
    """One tenant's figures, read from the views: each has a name and is one SQL text of the hub."""

    async def known(self) -> Sequence[JsonObject]:
        """Return what can be asked: `{name, about, unit, kind, by, words}` of each.

        `kind` is "count", "amount", "share" (0 to 1) or "mean", `by` are the columns that split it.
        """

    async def read(
        self, name: str, first: str, last: str, by: Sequence[str] = (), graph: str = ""
    ) -> JsonObject:
        """Return `{name, sql, parameters, rows, more}`; a row has the columns of `by`, `value` and `n`.

        Days are those of UTC, ISO 8601, and included; `n` is how many observations are in a value, `more`
        says that there were further rows.  Without `graph` it is about all of them.  NotFound for an
        unknown name, InvalidInput for a column or a period.
        """


class Context(Protocol):
    """What every call of a plugin is given.  Never the engine itself."""

    tenant: str
    run: str
    thread: str
    idempotency_key: str
    deadline: float
    """When the call is given up, on the clock of `time.monotonic()`."""
    params: Any
    """The object's own `Params`, validated; None when it declares none."""
    log: Log

    def emit(self, delta: Delta) -> None:
        """Send a piece of text to whoever watches the run; never blocks."""

    def model(self, alias: str) -> ModelHandle:
        """Return the model behind an alias of `config.toml`; NotFound when there is none."""

    def collection(self, name: str) -> Collection:
        """Return the tenant's collection of that name (an unknown one is empty)."""

    def interactions(self) -> Interactions:
        """Return what the tenant's users did with its items."""

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Embed with the configured embedder, shape (len(texts), size); None without a model."""

    def measures(self) -> Measures:
        """Return the tenant's figures: what ran, what it cost, how good it was."""

    def artifact(self, name: str, version: str = "") -> Path:
        """Return the folder of a trained model's version, `[inference] folder`/NAME/VERSION.

        The newest one by default, which changes while the hub serves: ask again for each call.  NotFound
        says which models and versions there are.
        """

    async def predict(self, model: str, inputs: Mapping[str, Any], version: str = "") -> Mapping[str, Any]:
        """Ask a predictive model, of the folder or of a plugin: named lists or arrays in and out.

        NotFound says which models there are, InvalidInput which input does not fit.
        """

    def http(self) -> aiohttp.ClientSession:
        """Return the hub's HTTP client, which reaches only what `[egress]` permits; do not close it."""


# --------------------------------------------------------------------------- what a plugin supplies


@runtime_checkable
class Provider(Protocol):
    """A vendor of language models.

    It may also have `async embed(texts, model, dimensions, ctx) -> Embeddings`, for models that turn texts
    into vectors, and `relay(request: RawRequest, ctx) -> AsyncIterator[RawChunk]` for the `dialects` that
    it names, such as "openai.chat": what a client sends in one of them is passed on as it is.
    """

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the answer in pieces; the last one carries `finish`."""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit-length vectors of `size` float32 numbers."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    @property
    def size(self) -> int:
        """How many numbers a vector has."""

    def embed(self, texts: Sequence[str], ctx: Context | None) -> Vectors:
        """Return an array of shape (len(texts), size)."""


@runtime_checkable
class Retriever(Protocol):
    """Finds passages; `ctx.params` are its own parameters."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        """Return at most `k` hits, best first."""


@runtime_checkable
class Scorer(Protocol):
    """Gives an item a number between 0 and 1, with reasons."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    async def score(self, item: Mapping[str, Any], ctx: Context) -> Score:
        """Score one item."""


@runtime_checkable
class Recommender(Protocol):
    """Recommends items to a user."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    async def recommend(self, user: str, k: int, ctx: Context) -> Sequence[Item]:
        """Return at most `k` items, best first."""


@runtime_checkable
class Model(Protocol):
    """A predictive model: named arrays in, named arrays out."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    @property
    def schema(self) -> JsonObject:
        """What the inputs are: a JSON Schema."""

    async def predict(self, inputs: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        """Predict for one batch."""


@runtime_checkable
class Tool(Protocol):
    """Something a graph or an agent can do to the world."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    @property
    def description(self) -> str:
        """What it does, for the model that is to choose it."""

    @property
    def Args(self) -> type[BaseModel]:  # noqa: N802
        """What it takes: a pydantic model."""

    async def run(self, args: Any, ctx: Context) -> Any:
        """Do it; the result must be JSON."""


@runtime_checkable
class Step(Protocol):
    """A step kind that graph files may `use`."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    @property
    def Params(self) -> type[BaseModel]:  # noqa: N802
        """What a graph file passes: a pydantic model."""

    async def run(self, state: Mapping[str, Any], params: Any, ctx: Context) -> Any:
        """Return the step's result (JSON; a mapping where several fields are meant)."""


@runtime_checkable
class Guardrail(Protocol):
    """Looks at text on its way in or out, or at a tool call.  `stage` is "input", "output" or "tool"."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    @property
    def stage(self) -> str:
        """What it looks at: "input", "output" or "tool"."""

    async def check(self, text: str, ctx: Context) -> Verdict:
        """Allow, block or rewrite."""


@runtime_checkable
class Cache(Protocol):
    """A cache of bytes."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value for `ttl` seconds."""

    async def delete(self, key: str) -> None:
        """Forget the value."""


@runtime_checkable
class Subscriber(Protocol):
    """Sees every durable event, at least once."""

    @property
    def name(self) -> str:
        """Its name, which no other object of the kind has."""

    async def on_event(self, event: Event, ctx: Context) -> None:
        """Handle one event."""
