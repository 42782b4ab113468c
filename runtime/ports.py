"""The Protocols between the engine and what can be exchanged: plugins above, storage below."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from runtime.types import (
    CatalogueItem,
    ChatRequest,
    Cron,
    Delta,
    Effect,
    Event,
    Fact,
    GraphText,
    Health,
    Hit,
    Hits,
    Interaction,
    Interrupt,
    Item,
    ItemVectors,
    ItemWrite,
    JsonObject,
    ModelCall,
    Passage,
    Publication,
    Reply,
    Run,
    RunOptions,
    RunsQuery,
    RunStatus,
    Score,
    SearchQuery,
    StoredItem,
    Thread,
    ThreadEntry,
    ThreadQuery,
    UsageQuery,
    Verdict,
    Webhook,
)

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    import aiohttp
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

    Vectors = NDArray[np.float32]

T = TypeVar("T")

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


# --------------------------------------------------------------------------- the journal


@dataclass(frozen=True, slots=True)
class RunChange:
    """How a run record changes in the same commit as the events that say so.

    `roll_back` deletes it instead, with every checkpoint and write of the run.  At `thread_expires_at`
    (Unix seconds) its thread may go.
    """

    run: str
    status: RunStatus
    fence: int
    attempt: int | None = None
    error: JsonObject | None = None
    output: JsonObject | None = None
    waiting: tuple[Interrupt, ...] = ()
    webhook: Webhook | None = None
    roll_back: bool = False
    thread_expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key may use of the models, within what its tenant may (0: no limit).

    `budget_usd` are US dollars in a day or month of UTC.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    budget_usd: float = 0.0
    budget_per: Literal["day", "month"] = "day"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key at rest: only the SHA-256 of the secret part is kept."""

    id: str
    digest: str
    tenant: str
    name: str
    created_at: float
    revoked: bool = False
    limits: KeyLimits = KeyLimits()


class Journal(Protocol):
    """The durable log of threads, their runs and events, with one writer.

    Writes are ordered: what was handed over first is committed first.  Methods that return a future
    hand over at once and without suspending; the future is done when the write is on disk and gives
    "" or the word of a refusal ("conflict", "fenced", "answered", "gone"); StorageError when it cannot
    be written.
    """

    async def create_thread(self, thread: Thread) -> Thread:
        """Store a new thread; Conflict when the id is taken."""

    async def thread(self, thread: str) -> Thread | None:
        """Return a thread, or None."""

    async def threads(
        self, tenant: str, query: ThreadQuery, *, limit: int, offset: int = 0
    ) -> Sequence[ThreadEntry]:
        """List those of a tenant's threads that are looked for, in their order."""

    async def count_threads(self, tenant: str, query: ThreadQuery) -> int:
        """Count them."""

    async def update_thread(self, thread: Thread) -> None:
        """Store a thread's metadata and when it expires; NotFound when it is gone."""

    async def delete_thread(self, thread: str) -> None:
        """Delete a thread with its runs, events and checkpoints; NotFound when it is not there."""

    async def expired_threads(self, before: float, limit: int) -> Sequence[Thread]:
        """Return threads that have expired, or were not changed since `before`, and have no work to do."""

    def reserve(self, thread: str, reserved: int) -> asyncio.Future[str]:
        """Promise that no seq above `reserved` is shown before a later promise."""

    async def accept(
        self, run: Run, events: Sequence[Event], *, thread: Thread, new: bool, answers: str | None = None
    ) -> None:
        """Store a run, its first events, its thread's reservation and metadata in one commit.

        `new` creates the thread in the same commit.  `answers` is the interrupted run that this one
        goes on from; no other question of the thread waits any longer.  Conflict when the idempotency
        key, the run or the thread is there already, or when `answers` was answered by somebody else.
        """

    async def resume(self, run: Run, events: Sequence[Event], *, fence: int) -> str:
        """Let an interrupted run go on with the answers in its options, in one commit with its events.

        Refused with "answered" when it does not wait any longer, or its fence is not `fence`.
        """

    def append(
        self, thread: str, events: Sequence[Event], *, change: RunChange | None = None
    ) -> asyncio.Future[str]:
        """Append durable events (and change a run) in one commit.

        Refused with "conflict" when a position is not the next one, "fenced" when the run is
        finished or a newer claimant has it.
        """

    async def events(self, thread: str, *, after: int, limit: int) -> Sequence[Event]:
        """Return durable events with a seq above `after`, in order.

        At most `limit`, and fewer when they are large; none only when there are none.
        """

    async def run_events(self, run: str, method: str) -> Sequence[Event]:
        """Return the durable events of a run and a method, in order."""

    async def last_seq(self, thread: str) -> int:
        """Return the seq of a thread's newest durable event; 0 when it has none."""

    async def first_seq(self, thread: str, run: str) -> int:
        """Return the seq of a run's first event; 0 when it has none."""

    async def change_options(self, run: str, options: RunOptions) -> str:
        """Store the options of an active run; refused with "fenced" when it has ended."""

    async def ask(self, run: str, waiting: tuple[Interrupt, ...]) -> None:
        """Store what an interrupted run waits for from now on."""

    async def delete_run(self, run: str) -> None:
        """Delete a run's record; NoSuchRun when it is not there."""

    async def asked(self, thread: str, interrupt: str) -> bool:
        """Whether a run of the thread has ever asked this question."""

    def open_message(self, run: str, message: str, namespace: tuple[str, ...]) -> asyncio.Future[str]:
        """Take note that a message begins; the future is done when that is on disk.

        The message's durable end takes the note away, and so does any change of its run.
        """

    async def open_messages(self, run: str) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Return ids and namespaces of the messages that a run has begun and not ended."""

    async def run(self, run: str) -> Run | None:
        """Return a run, or None."""

    async def run_of_key(self, tenant: str, key: str) -> Run | None:
        """Return the run a tenant started with this idempotency key, or None."""

    async def runs(
        self,
        *,
        thread: str | None = None,
        status: Sequence[RunStatus] = (),
        waiting: bool = False,
        undoing: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[Run]:
        """List runs, newest first, of one thread, in some states, or only those that wait, or are undone."""

    async def crons(self, tenant: str | None = None) -> Sequence[Cron]:
        """List the crons of a tenant, or all, the newest first."""

    async def put_cron(self, cron: Cron, *, new: bool = False) -> None:
        """Store a cron; NotFound when it is not `new` and was deleted."""

    async def delete_cron(self, tenant: str, id: str) -> None:
        """Delete a cron; NotFound."""

    async def webhooks(self, limit: int) -> Sequence[Webhook]:
        """List the calls that are to be made, those that are due first first."""

    async def put_webhook(self, webhook: Webhook) -> None:
        """Store a call that is to be made again."""

    async def delete_webhook(self, id: str) -> None:
        """Forget a call that was made, or given up."""

    async def keys(self) -> Sequence[ApiKey]:
        """List the API keys, oldest first."""

    async def put_key(self, key: ApiKey) -> None:
        """Store or replace an API key."""

    async def check(self) -> Health:
        """Say whether the writer answers."""

    async def aclose(self) -> None:
        """Write what was handed over, then stop."""


class Ledger(Protocol):
    """What runs do outside, and what became of it, so that it can be undone; a part of the journal."""

    async def begin(self, effect: Effect, fence: int) -> None:
        """Note what a step is about to do; Conflict when a newer claimant has the run."""

    async def settle(self, effect: Effect) -> None:
        """Note what has become of it."""

    async def effects(self, run: str) -> Sequence[Effect]:
        """Return what a run has done or may have done, and what is not undone, the newest first."""

    async def used(self, run: str) -> tuple[int, float]:
        """Return how many steps a run has taken so far, and what its models cost, in US dollars."""

    async def end(self, run: str, ending: JsonObject, *, waiting: bool = False) -> None:
        """Note how a run ends once it is undone; Conflict when it was `waiting` and somebody has answered."""

    async def ending(self, run: str) -> JsonObject | None:
        """Return how a run ends once it is undone; None when nobody has begun to undo it."""


class GraphVersions(Protocol):
    """The texts of all versions of graph files, and which of them new runs get."""

    async def text(self, graph: str, version: str) -> GraphText | None:
        """Return the text of a version, or None."""

    async def texts(self, graph: str) -> Sequence[GraphText]:
        """Return those of all its versions that are kept, the newest first."""

    async def publications(self) -> Sequence[Publication]:
        """Return what is published, one for each graph."""

    async def put(self, texts: Sequence[GraphText], publication: Publication | None) -> None:
        """Keep texts, and publish, in one commit; a text that is kept already stays as it is."""

    async def withdraw(self, graph: str) -> None:
        """Publish nothing of a graph any more; its texts stay."""


# --------------------------------------------------------------------------- the store


@dataclass(frozen=True, slots=True)
class ItemsWhere:
    """Which items of a tenant: under a prefix of namespaces, alive at `now`, and whose value is accepted.

    The prefix () is the whole store, `now` in Unix seconds.  `equal` are fields that every accepted value
    has: a store that can look for them need not ask `accept` about the others.
    """

    prefix: tuple[str, ...]
    now: float
    accept: Callable[[JsonObject], bool] | None = None
    equal: Mapping[str, str | int | float] = field(default_factory=dict)


class Items(Protocol):
    """The items of every tenant's store; one whose time is up `now` is in no answer.

    `accept` and `rank` are called off the event loop; what `rank` is handed can be read only once.
    """

    async def write(self, tenant: str, writes: Sequence[ItemWrite]) -> None:
        """Carry out all writes in one commit; returns when it is on disk."""

    async def item(self, tenant: str, namespace: tuple[str, ...], key: str, now: float) -> StoredItem | None:
        """Return one item, or None."""

    async def items(self, tenant: str, ids: Sequence[int], now: float) -> list[StoredItem]:
        """Return the items that are still there, in the order of `ids`."""

    async def latest(self, tenant: str, where: ItemsWhere, *, limit: int, offset: int) -> list[StoredItem]:
        """Return a page of items, the latest written first."""

    async def rank_vectors(
        self,
        tenant: str,
        where: ItemsWhere,
        space: str,
        rank: Callable[[Iterator[tuple[int, bytes | None]]], T],
    ) -> T:
        """Hand id and vectors of the items that a query may find to `rank`; None: none in this space."""

    async def rank_values(
        self, tenant: str, where: ItemsWhere, rank: Callable[[Iterator[tuple[int, bytes, bytes]]], T]
    ) -> T:
        """Hand id, value and fields, both JSON, of the items that a query may find to `rank`."""

    async def namespaces(self, tenant: str, now: float) -> list[tuple[str, ...]]:
        """Return every namespace that holds an item, in no order."""

    def touch(self, ids: Sequence[int], now: float) -> None:
        """Let the time of these items begin anew; does not wait."""

    async def without_vectors(self, space: str, now: float, limit: int) -> list[StoredItem]:
        """Return items of all tenants that have no vectors in this space."""

    async def put_vectors(self, item: StoredItem, vectors: ItemVectors) -> None:
        """Store the vectors of an item, unless it was written again meanwhile."""

    async def sweep(self, now: float) -> int:
        """Delete the items whose time is up; returns how many."""


# --------------------------------------------------------------------------- usage and views


class UsageLog(Protocol):
    """What the calls of models used."""

    def record(self, call: ModelCall) -> None:
        """Take down what a model call used; does not wait."""

    async def usage(self, query: UsageQuery) -> list[JsonObject]:
        """Return the sums of each group, in the order of the groups; costs in US dollars."""

    async def spent(self, key: str, first: str) -> float:
        """Return the US dollars that the calls of an API key have cost since a day (ISO 8601)."""


class FactLog(Protocol):
    """What scorers, recommenders, guardrails and people gave."""

    def note(self, fact: Fact) -> None:
        """Take down a fact; does not wait."""


class Views(UsageLog, FactLog, Protocol):
    """What is folded from the log as it is written; times are Unix milliseconds, days those of UTC."""

    async def threads(self, tenant: str | None = None, limit: int = 20) -> list[JsonObject]:
        """List threads, the latest changed first, with their newest run."""

    async def runs(self, query: RunsQuery) -> list[JsonObject]:
        """List runs, the latest accepted first."""

    async def rebuild(self) -> JsonObject:
        """Empty the views and fold the whole log; returns how many rows each has then."""
