"""The Protocols between the engine and what keeps its data: the journal, its ledger and its views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.records import (
    ApiKey,
    Cron,
    Effect,
    Fact,
    GraphText,
    Interrupt,
    ItemsWhere,
    ItemVectors,
    ItemWrite,
    ModelCall,
    Publication,
    Run,
    RunChange,
    RunOptions,
    RunsQuery,
    RunStatus,
    StoredItem,
    Thread,
    ThreadEntry,
    ThreadQuery,
    UsageQuery,
    Webhook,
)
from runtime.types import Event, Health, JsonObject

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


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
