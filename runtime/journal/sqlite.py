"""The journal on one SQLite database: writes go through the writer process, reads through threads."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import orjson

from runtime.errors import Conflict, NoSuchRun, NotFound, StorageError
from runtime.journal.log import Log, Statements
from runtime.journal.thread_search import STATE_UPDATED_AT, STATUS, condition, order
from runtime.records import (
    ApiKey,
    Cron,
    Interrupt,
    KeyLimits,
    Run,
    RunChange,
    RunOptions,
    RunStatus,
    Thread,
    ThreadEntry,
    ThreadQuery,
    Webhook,
)
from runtime.types import Event, Health, JsonObject

T = TypeVar("T")
_decode_options = msgspec.json.Decoder(RunOptions).decode
_decode_cron = msgspec.json.Decoder(Cron).decode
_decode_webhook = msgspec.json.Decoder(Webhook).decode
_decode_limits = msgspec.json.Decoder(KeyLimits).decode
_decode_waiting = msgspec.json.Decoder(tuple[Interrupt, ...]).decode

_REFUSED = {
    "gone": "The run was not accepted: the thread {thread} was deleted; send it again.",
    "answered": "The run {run} was answered by somebody else; look at the thread's state.",
    "conflict": "The run was not accepted: the thread {thread} or its idempotency key is in use; "
    "send it again.",
}

_READERS = 4
_SELECT_THREAD = (
    "SELECT id, tenant, metadata, created_at, updated_at, reserved,"
    " coalesce((SELECT position FROM events WHERE thread = threads.id ORDER BY seq DESC LIMIT 1), 0),"
    " expires_at, expiry"
)
_SELECT_THREADS = _SELECT_THREAD + " FROM threads"
_SELECT_ENTRIES = (
    f"{_SELECT_THREAD}, {STATUS} AS status, {STATE_UPDATED_AT} AS state_updated_at FROM threads WHERE "
)
_COUNT_THREADS = "SELECT count(*) FROM threads WHERE "
_DUE = (
    "(expires_at <= ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE thread = threads.id"
    " AND status IN ('accepted', 'running')))"
)
_IDLE = (
    "(updated_at < ?2 AND NOT EXISTS (SELECT 1 FROM runs WHERE thread = threads.id"
    " AND status IN ('accepted', 'running', 'interrupted')))"
)
_SELECT_RUNS = (
    "SELECT id, thread, tenant, graph, version, status, input, created_at, updated_at, config, metadata,"
    " attempt, fence, idempotency_key, traceparent, error, output, options, waiting FROM runs"
)
_SELECT_EVENTS = "SELECT thread, position, seq, run, method, namespace, data, timestamp FROM events"
_DATA = 6
_PAGE_BYTES = 1 << 20
"""Bytes of events after which a page ends: a reader is not to hold a long history at once."""

_SELECT_KEYS = (
    "SELECT id, digest, tenant, name, created_at, revoked, limits FROM keys LEFT JOIN key_limits USING (id)"
)


class SqliteJournal:
    """`ports.Journal` in the file `path`; see `runtime.journal.statements` for the tables."""

    def __init__(
        self,
        path: Path,
        *,
        durability: str = "full",
        committed: Callable[[float, int], None] = lambda *_: None,
    ) -> None:
        self._path = path
        self._log = Log(path, durability, committed)
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="journal-read")
        self.blank: set[str] = set()
        """Threads that were made with a run a moment ago: they have no checkpoint to look for yet."""

    async def open(self) -> None:
        """Start the writer; CannotStart when the database cannot be opened."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        await self._log.open()

    async def aclose(self) -> None:
        """Write what was handed over, then stop."""
        await self._log.aclose()
        self._threads.shutdown()
        for connection in self._opened:
            connection.close()

    async def check(self) -> Health:
        """Say whether it can be written."""
        return Health(not self._log.trouble, self._log.trouble)

    async def lost(self) -> str:
        """Wait until it can never be written again by this process; returns why."""
        await self._log.lost.wait()
        return self._log.trouble

    # ----------------------------------------------------------------- the pipe and the readers

    def submit(self, statements: Statements, *, urgent: bool = True) -> asyncio.Future[str]:
        """Hand over one request now; the future gives its refusal ("" when it is on disk).

        One that is not `urgent` is synced with the next that is, or a moment later.
        """
        return self._log.submit(statements, urgent=urgent)

    def hurry(self) -> None:
        """Have what was handed over synced now: somebody waits for it."""
        self._log.hurry()

    async def request(self, statements: Statements) -> str:
        """Hand over what a client asks for and wait; StorageError at once while nothing can be written."""
        if trouble := self._log.trouble:
            raise StorageError(trouble)
        return await self.submit(statements)

    async def barrier(self) -> None:
        """Wait until everything handed over so far is on disk (or refused)."""
        await self._log.barrier()

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on a read-only connection in a reader thread."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._query, query)
        except sqlite3.Error as error:
            raise StorageError(f"The journal could not be read ({error}); run `hubbub doctor`.") from error

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
            self._local.connection = connection
            self._opened.append(connection)
        return query(connection)

    async def _rows(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        return await self.read(lambda database: database.execute(sql, parameters).fetchall())

    # ----------------------------------------------------------------- threads

    async def create_thread(self, thread: Thread) -> Thread:
        """Store a new thread; Conflict when the id is taken."""
        if await self.request([_create_thread(thread)]):
            raise Conflict(
                f"The thread {thread.id} exists already; use another id, or if_exists='do_nothing'."
            )
        return thread

    async def thread(self, thread: str) -> Thread | None:
        """Return a thread, or None."""
        rows = await self._rows(_SELECT_THREADS + " WHERE id = ?", (thread,))
        return _thread(rows[0]) if rows else None

    async def threads(
        self, tenant: str, query: ThreadQuery, *, limit: int, offset: int = 0
    ) -> list[ThreadEntry]:
        """List those of a tenant's threads that are looked for, in their order."""
        where = condition(tenant, query)
        sql = _SELECT_ENTRIES + where.sql + order(query) + " LIMIT ? OFFSET ?"
        rows = await self._rows(sql, (*where.parameters, limit, offset))
        return [ThreadEntry(_thread(row), status, changed) for *row, status, changed in rows]

    async def count_threads(self, tenant: str, query: ThreadQuery) -> int:
        """Count them."""
        where = condition(tenant, query)
        return int((await self._rows(_COUNT_THREADS + where.sql, where.parameters))[0][0])

    async def update_thread(self, thread: Thread) -> None:
        """Store a thread's metadata and when it expires."""
        row = (thread.id, orjson.dumps(thread.metadata), thread.updated_at, thread.expires_at, thread.expiry)
        if await self.request([("thread.update", row)]):
            raise NotFound(f"There is no thread {thread.id}; it may have been deleted.")

    async def delete_thread(self, thread: str) -> None:
        """Delete a thread with its runs, events and checkpoints; NotFound when it is not there."""
        parts = (
            *(
                "thread.delete_messages",
                "thread.delete_effects",
                "thread.delete_runs",
                "thread.delete_events",
                "thread.delete_crons",
            ),
            *("checkpoints.delete", "writes.delete"),
        )
        if await self.request([("thread.delete", (thread,)), *((part, (thread,)) for part in parts)]):
            raise NotFound(f"There is no thread {thread}; it may have been deleted.")
        self.blank.discard(thread)

    async def expired_threads(self, before: float, limit: int) -> list[Thread]:
        """Return threads that have expired and that no run works on, the longest due first.

        Expired is a thread whose `expires_at` has passed, and one that was not changed since `before`
        and waits for nobody's answer either.
        """
        expired = f"{_DUE} OR {_IDLE}" if before > 0 else _DUE
        sql = f"{_SELECT_THREADS} WHERE {expired} ORDER BY coalesce(expires_at, updated_at) LIMIT ?3"
        return [_thread(row) for row in await self._rows(sql, (time.time(), before, limit))]

    def reserve(self, thread: str, reserved: int) -> asyncio.Future[str]:
        """Promise, once the future is done, that no seq above `reserved` is shown before a later promise."""
        return self.submit([("thread.reserve", (thread, reserved, time.time()))])

    # ----------------------------------------------------------------- runs and events

    async def accept(
        self, run: Run, events: Sequence[Event], *, thread: Thread, new: bool, answers: str | None = None
    ) -> None:
        """Store a run, its first events, its thread's reservation and metadata in one commit.

        `new` creates the thread in the same commit.  `answers` is the interrupted run that this one
        goes on from; no other question of the thread waits any longer.  Conflict when the idempotency
        key, the run or the thread is there already, or when `answers` was answered by somebody else.
        """
        before: Statements
        if new:
            before = [_create_thread(thread)]
            self.blank.add(thread.id)
        else:
            answered = ("run.answered", (answers,)) if answers else ("runs.unasked", (thread.id,))
            about = orjson.dumps(thread.metadata)
            before = [("thread.accept", (thread.id, about, thread.reserved, run.created_at)), answered]
        if refusal := await self.request([*before, _create_run(run), *map(_append, events)]):
            self.blank.discard(thread.id)
            raise Conflict(_REFUSED.get(refusal, _REFUSED["conflict"]).format(thread=thread.id, run=answers))

    async def resume(self, run: Run, events: Sequence[Event], *, fence: int) -> str:
        """Let an interrupted run go on with the answers in its options, in one commit with its events."""
        row = (run.id, fence, run.status, run.fence, run.attempt, _options(run), _waiting(run.waiting))
        about = (time.time(), _json(run.config), _json(run.metadata))
        return await self.request([("run.resume", (*row, *about)), *map(_append, events)])

    def append(
        self, thread: str, events: Sequence[Event], *, change: RunChange | None = None
    ) -> asyncio.Future[str]:
        """Hand over durable events and a change of a run as one commit.

        The future gives "" when it is on disk, "conflict" when a position is taken, "fenced" when
        the run is finished or a newer claimant has it; StorageError when it cannot be written.
        """
        closed = [
            ("message.close", (event.run, event.data["message_id"]))
            for event in events
            if _ends_message(event)
        ]
        changed = _changes(thread, change) if change else ()
        return self.submit([*changed, *map(_append, events), *closed])

    async def events(self, thread: str, *, after: int, limit: int) -> list[Event]:
        """Return durable events with a seq above `after`, in order: at most `limit`, fewer of large ones."""
        sql = _SELECT_EVENTS + " WHERE thread = ? AND seq > ? ORDER BY seq LIMIT ?"

        def page(database: sqlite3.Connection) -> list[Event]:
            found, size = list[Event](), 0
            for row in database.execute(sql, (thread, after, limit)):
                found.append(read_event(row))
                size += len(row[_DATA])
                if size > _PAGE_BYTES:
                    break
            return found

        return await self.read(page)

    async def run_events(self, run: str, method: str) -> list[Event]:
        """Return the durable events of a run and a method, in order."""
        of_thread = " WHERE thread = (SELECT thread FROM runs WHERE id = ?1)"
        sql = _SELECT_EVENTS + of_thread + " AND run = ?1 AND method = ?2 ORDER BY seq"
        return [read_event(row) for row in await self._rows(sql, (run, method))]

    async def last_seq(self, thread: str) -> int:
        """Return the seq of a thread's newest durable event; 0 when it has none."""
        sql = "SELECT coalesce(max(seq), 0) FROM events WHERE thread = ?"
        return int((await self._rows(sql, (thread,)))[0][0])

    async def first_seq(self, thread: str, run: str) -> int:
        """Return the seq of a run's first event; 0 when it has none."""
        sql = "SELECT coalesce(min(seq), 0) FROM events WHERE thread = ? AND run = ?"
        return int((await self._rows(sql, (thread, run)))[0][0])

    async def change_options(self, run: str, options: RunOptions) -> str:
        """Store the options of an active run; refused with "fenced" when it has ended."""
        return await self.request([("run.options", (run, msgspec.json.encode(options)))])

    async def ask(self, run: str, waiting: tuple[Interrupt, ...]) -> None:
        """Store what an interrupted run waits for from now on."""
        await self.submit([("run.ask", (run, _waiting(waiting)))])

    async def delete_run(self, run: str) -> None:
        """Delete a run's record; NoSuchRun when it is not there."""
        forgotten = [("effects.forget", (run,)), ("ending.forget", (run,))]
        if await self.request([("run.delete", (run,)), *forgotten]):
            raise NoSuchRun(f"There is no run {run}; it may have been deleted.")

    async def asked(self, thread: str, interrupt: str) -> bool:
        """Whether a run of the thread has ever asked this question."""
        sql = (
            "SELECT 1 FROM events WHERE thread = ? AND method = 'input.requested'"
            " AND json_extract(CAST(data AS TEXT), '$.interrupt_id') = ? LIMIT 1"
        )
        return bool(await self._rows(sql, (thread, interrupt)))

    def open_message(self, run: str, message: str, namespace: tuple[str, ...]) -> asyncio.Future[str]:
        """Take note that a message begins; its durable end or a change of its run takes the note away."""
        noted = self.submit([("message.open", (run, message, "|".join(namespace)))])
        unobserved(noted)
        return noted

    async def open_messages(self, run: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return ids and namespaces of the messages that a run has begun and not ended."""
        rows = await self._rows("SELECT message, namespace FROM open_messages WHERE run = ?", (run,))
        return [(message, _namespace(text)) for message, text in rows]

    async def run(self, run: str) -> Run | None:
        """Return a run, or None."""
        rows = await self._rows(_SELECT_RUNS + " WHERE id = ?", (run,))
        return _run(rows[0]) if rows else None

    async def run_of_key(self, tenant: str, key: str) -> Run | None:
        """Return the run a tenant started with this idempotency key, or None."""
        rows = await self._rows(_SELECT_RUNS + " WHERE tenant = ? AND idempotency_key = ?", (tenant, key))
        return _run(rows[0]) if rows else None

    async def runs(
        self,
        *,
        thread: str | None = None,
        status: Sequence[RunStatus] = (),
        waiting: bool = False,
        undoing: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Run]:
        """List runs, newest first, of one thread, in some states, or only those that wait, or are undone."""
        where, parameters = ["1"], list[object]()
        if thread is not None:
            where.append("thread = ?")
            parameters.append(thread)
        if status:
            where.append(f"status IN ({', '.join('?' * len(status))})")
            parameters += status
        if waiting:
            where.append("waiting IS NOT NULL AND status = 'interrupted'")
        if undoing:
            where.append("id IN (SELECT run FROM endings)")
        # In the order they were accepted, whatever the clock said.
        newest_first = " ORDER BY rowid DESC LIMIT ? OFFSET ?"
        sql = _SELECT_RUNS + " WHERE " + " AND ".join(where) + newest_first
        return [_run(row) for row in await self._rows(sql, (*parameters, limit, offset))]

    # ----------------------------------------------------------------- crons and webhooks

    async def crons(self, tenant: str | None = None) -> list[Cron]:
        """List the crons of a tenant, or all, the newest first."""
        sql = "SELECT cron FROM crons WHERE ?1 IS NULL OR tenant = ?1"
        found = [_decode_cron(cron) for (cron,) in await self._rows(sql, (tenant,))]
        return sorted(found, key=lambda cron: (cron.created_at, cron.id), reverse=True)

    async def put_cron(self, cron: Cron, *, new: bool = False) -> None:
        """Store a cron; NotFound when it is not `new` and was deleted."""
        row = (cron.id, cron.tenant, msgspec.json.encode(cron))
        if await self.submit([("cron.put" if new else "cron.change", row)]):
            raise NotFound(f"There is no cron {cron.id}; it may have been deleted.")

    async def delete_cron(self, tenant: str, id: str) -> None:
        """Delete a cron; NotFound."""
        if await self.submit([("cron.delete", (id, tenant))]):
            raise NotFound(f"There is no cron {id}; search for it.")

    async def webhooks(self, limit: int) -> list[Webhook]:
        """List the calls that are to be made, those that are due first first."""
        rows = await self._rows("SELECT webhook FROM webhooks ORDER BY due_at LIMIT ?", (limit,))
        return [_decode_webhook(webhook) for (webhook,) in rows]

    async def put_webhook(self, webhook: Webhook) -> None:
        """Store a call that is to be made again."""
        await self.submit([_put_webhook(webhook)])

    async def delete_webhook(self, id: str) -> None:
        """Forget a call that was made, or given up."""
        await self.submit([("webhook.delete", (id,))])

    # ----------------------------------------------------------------- keys

    async def keys(self) -> list[ApiKey]:
        """List the API keys, oldest first."""
        rows = await self._rows(_SELECT_KEYS + " ORDER BY created_at", ())
        return [
            ApiKey(id, digest, tenant, name, created_at, bool(revoked), _decode_limits(limits or b"{}"))
            for id, digest, tenant, name, created_at, revoked, limits in rows
        ]

    async def put_key(self, key: ApiKey) -> None:
        """Store or replace an API key."""
        row = (key.id, key.digest, key.tenant, key.name, key.created_at, int(key.revoked))
        await self.request([("key.put", row), ("key.limit", (key.id, orjson.dumps(key.limits)))])


def _json(value: JsonObject | None) -> bytes | None:
    return None if value is None else orjson.dumps(value)


def _create_thread(thread: Thread) -> tuple[str, tuple[object, ...]]:
    row = (thread.id, thread.tenant, orjson.dumps(thread.metadata), thread.created_at, thread.updated_at)
    return "thread.create", (*row, thread.reserved, thread.expires_at, thread.expiry)


def _create_run(run: Run) -> tuple[str, tuple[object, ...]]:
    return "run.create", (
        *(run.id, run.thread, run.tenant, run.graph, run.version, run.status, _json(run.input)),
        *(
            _json(run.config),
            _json(run.metadata),
            run.attempt,
            run.fence,
            run.idempotency_key,
            run.traceparent,
        ),
        *(_json(run.error), _json(run.output), run.created_at, run.updated_at),
        *(_options(run), _waiting(run.waiting)),
    )


def _change(change: RunChange) -> tuple[str, tuple[object, ...]]:
    error, output = _json(change.error), _json(change.output)
    row = (change.run, change.status, change.fence, change.attempt, error, output, time.time())
    return "run.change", (*row, _waiting(change.waiting))


def _changes(thread: str, change: RunChange) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield what a change of a run writes: its record, and what goes with it."""
    yield _change(change)
    yield "messages.forget", (change.run,)
    if change.status is RunStatus.RUNNING:
        # Whoever has the thread now makes the questions of earlier runs void.
        yield "runs.overtaken", (thread, change.run)
    if change.status.final:
        yield "effects.forget", (change.run,)
        yield "ending.forget", (change.run,)
    if change.roll_back:
        yield "checkpoints.delete_run", (thread, change.run)
        yield "writes.delete_run", (thread, change.run)
        yield "run.delete", (change.run,)
    if change.webhook:
        yield _put_webhook(change.webhook)
    if change.thread_expires_at is not None:
        yield "thread.expire", (thread, change.thread_expires_at)


def _append(event: Event) -> tuple[str, tuple[object, ...]]:
    row = (event.thread, event.position, event.seq, event.run, event.method)
    return "event", (*row, "|".join(event.namespace), event.payload, event.timestamp)


def _thread(row: Any) -> Thread:
    return Thread(row[0], row[1], orjson.loads(row[2]), *row[3:])


def _run(row: Any) -> Run:
    id, thread, tenant, graph, version, status, input, created_at, updated_at, config, metadata, *rest = row
    attempt, fence, key, traceparent, error, output, options, waiting = rest
    return Run(
        *(id, thread, tenant, graph, version, RunStatus(status), _value(input), created_at, updated_at),
        *(_value(config), _value(metadata), attempt, fence, key, traceparent, _value(error), _value(output)),
        *(_decode_options(options), _decode_waiting(waiting) if waiting else ()),
    )


def _value(stored: bytes | None) -> Any:
    return None if stored is None else orjson.loads(stored)


def read_event(row: Any) -> Event:
    """Return the event of a row: thread, position, seq, run, method, namespace, data, timestamp."""
    thread, position, seq, run, method, namespace, data, timestamp = row
    return Event(thread, seq, method, orjson.loads(data), run, timestamp, _namespace(namespace), position)


def _namespace(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()


def _ends_message(event: Event) -> bool:
    return event.method == "messages" and event.data["event"] in ("message-finish", "error")


def _put_webhook(webhook: Webhook) -> tuple[str, tuple[object, ...]]:
    return "webhook.put", (webhook.id, webhook.due_at, msgspec.json.encode(webhook))


def _options(run: Run) -> bytes:
    return msgspec.json.encode(run.options)


def _waiting(questions: tuple[Interrupt, ...]) -> bytes | None:
    return msgspec.json.encode(questions) if questions else None


def unobserved(future: asyncio.Future[str]) -> None:
    """Let a failed write be told by what is written after it, not by a warning at garbage collection."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
