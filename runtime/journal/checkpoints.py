"""LangGraph's checkpoints in the journal: on the writer of events and runs, so they land in order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.base import id as checkpoint_ids
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from runtime.errors import Conflict, HubbubError, InvalidInput, StorageError, TooLarge
from runtime.journal.log import Statements
from runtime.journal.sqlite import SqliteJournal

_PAGE = 20
_TASK = ":"  # in a namespace, between a step and the id of its task
_LARGEST = 256 * 1024 * 1024
_SELECT = "SELECT thread, ns, id, parent, type, checkpoint, metadata FROM checkpoints"
_SELECT_WRITES = (
    "SELECT task, idx, channel, type, value FROM writes"
    " WHERE thread = ? AND ns = ? AND checkpoint = ? ORDER BY path, task, idx, rowid"
)
_SELECT_TRACES = (
    "SELECT thread FROM checkpoints WHERE run = :run UNION SELECT thread FROM writes WHERE run = :run"
)


class JournalSaver(BaseCheckpointSaver[str]):
    """A LangGraph saver whose writes are handed over before its first await.

    LangGraph starts `aput_writes` before the next `aput`, so the order of the calls is the order on
    disk.  A put does not wait for its commit, unless `config["configurable"]["sync"]` says so: the run's
    own record, written last through the same pipe, does, and so does whatever changes something outside
    (`settled`).  A reader waits for what was handed over for its thread.

    `config["metadata"]["run_id"]` says whose write it is, `config["configurable"]["fence"]` which
    claim of that run writes: an older one than the run's record is refused.
    """

    def __init__(self, journal: SqliteJournal, *, keep: int = 50) -> None:
        """`keep` is how many checkpoints of a thread and namespace stay, at least."""
        super().__init__(serde=_Serializer(allowed_msgpack_modules=None))
        self._journal, self._keep = journal, keep
        self._under_way: dict[str, asyncio.Future[str]] = {}
        self._failures: dict[str, HubbubError] = {}

    def failure(self, run: str) -> HubbubError | None:
        """Return, once, why a put of this run is not on disk, if no later put has said so."""
        return self._failures.pop(run, None)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Hand over one checkpoint, and let go of those that are too many."""
        thread, ns = _address(config)
        fence, sync = config["configurable"].get("fence"), config["configurable"].get("sync")
        about: dict[str, Any] = {**get_checkpoint_metadata(config, metadata)}
        run = str(about.get("run_id") or "")
        if fence is not None:
            about.pop("fence", None)
            about.pop("sync", None)
        row = (
            *(thread, ns, checkpoint["id"], config["configurable"].get("checkpoint_id"), run),
            *_owner(ns, metadata.get("parents") or {}),
            bool(metadata.get("counters_since_delta_snapshot")),
            *self.serde.dumps_typed(checkpoint),
            *(_json(about), fence),
        )
        prune = (thread, ns, self._keep, run)
        self._hand_over(thread, run, [("checkpoint", row), ("checkpoints.prune", prune)])
        if sync:
            await self.settled(thread, run)
        return _config(thread, ns, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Hand over the writes of one task, all or none."""
        if not writes:
            return
        thread, ns = _address(config)
        checkpoint, fence = config["configurable"]["checkpoint_id"], config["configurable"].get("fence")
        run = str((config.get("metadata") or {}).get("run_id") or "")
        rows: list[tuple[str, tuple[object, ...]]] = []
        for index, (channel, value) in enumerate(writes):
            place = WRITES_IDX_MAP.get(channel, index)
            name, layer = ("write.replace", run) if place < 0 else ("write", "")
            where = (thread, ns, checkpoint, task_id, place, layer, run, task_path)
            rows.append((name, (*where, channel, *self.serde.dumps_typed(value), fence)))
        self._hand_over(thread, run, rows)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the named checkpoint, or the newest of its thread and namespace."""
        thread, ns = _address(config)
        if thread in self._journal.blank:
            return None
        where, parameters = ["thread = ?", "ns = ?"], list[object]([thread, ns])
        if wanted := get_checkpoint_id(config):
            where.append("id = ?")
            parameters.append(wanted)
        await self._written(thread)
        found = await self._read(where, parameters, 1)
        if not found:
            return None
        _go_on_from(found[0].checkpoint["id"])
        return found[0]

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first, read a page at a time."""
        where, parameters = list[str](), list[object]()
        wanted = config["configurable"] if config else {}
        for column, key in (("thread", "thread_id"), ("ns", "checkpoint_ns"), ("id", "checkpoint_id")):
            if (value := wanted.get(key)) is not None:
                where.append(f"{column} = ?")
                parameters.append(value)
        if before and (newer := get_checkpoint_id(before)):
            where.append("id < ?")
            parameters.append(newer)
        for key, value in (filter or {}).items():
            condition, compared = _condition(value)
            where.append(condition)
            parameters += [key, *compared]
        await self._written(wanted.get("thread_id"))
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = await self._read(where, parameters, size)
            for found in page:
                yield found
            if len(page) < size:
                return
            last = page[-1].config["configurable"]
            where, parameters = (
                [*where, "(id, thread, ns) < (?, ?, ?)"],
                [
                    *parameters,
                    *(last["checkpoint_id"], last["thread_id"], last["checkpoint_ns"]),
                ],
            )
            left = None if left is None else left - size

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread's checkpoints and writes."""
        await self._change([("checkpoints.delete", (thread_id,)), ("writes.delete", (thread_id,))])

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Undo what these runs left: their checkpoints, and their writes on checkpoints of others."""
        await self._journal.barrier()
        for run in run_ids:
            threads = await self._journal.read(partial(_threads_of, run=run))
            parts = ("checkpoints.delete_run", "writes.delete_run")
            await self._change([(part, (thread, run)) for thread in threads for part in parts])
            self._failures.pop(run, None)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints and writes; Conflict when the target has any of them already.

        The copies belong to no run: undoing a run of the source leaves them alone.
        """
        threads = (source_thread_id, target_thread_id)
        self._journal.blank.discard(target_thread_id)
        if await self._change([("checkpoints.copy", threads), ("writes.copy", threads)]):
            raise Conflict(f"The thread {target_thread_id} has checkpoints already; copy to a new thread.")

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep the newest checkpoint of each namespace ("keep_latest") or none ("delete")."""
        if strategy not in ("keep_latest", "delete"):
            raise InvalidInput(f'There is no strategy {strategy}; use "keep_latest" or "delete".')
        parts = ["checkpoints.keep_latest"]
        if strategy == "delete":
            parts = ["checkpoints.delete", "writes.delete"]
        await self._change([(part, (thread,)) for thread in thread_ids for part in parts])

    # ----------------------------------------------------------------- the pipe and the readers

    def _hand_over(self, thread: str, run: str, statements: Statements) -> None:
        """Submit without waiting; raises, once, what became of an earlier put of this run (or thread)."""
        if failure := self._failures.pop(run or thread, None):
            raise failure
        self._journal.blank.discard(thread)
        future = self._under_way[thread] = self._journal.submit(statements, urgent=False)
        future.add_done_callback(partial(self._settle, thread, run))

    def _settle(self, thread: str, run: str, future: asyncio.Future[str]) -> None:
        if self._under_way.get(thread) is future:
            del self._under_way[thread]
        error = future.exception()
        if isinstance(error, HubbubError):
            self._failures[run or thread] = error
        elif refusal := future.result():
            sentence = (
                f"The run {run} may not write to its thread any more ({refusal}); look for its newer attempt."
            )
            self._failures[run or thread] = Conflict(sentence)

    async def _change(self, statements: Statements) -> str:
        return await self._journal.submit(statements) if statements else ""

    async def _written(self, thread: str | None) -> None:
        """Wait until what was handed over is on disk or refused: for one thread, or for all."""
        if thread is None:
            await self._journal.barrier()
        elif future := self._under_way.get(thread):
            self._journal.hurry()
            await asyncio.wait([future])

    async def settled(self, thread: str, run: str) -> None:
        """Wait until what a run has put on its thread is on disk; raises what became of it otherwise."""
        await self._written(thread)
        if failure := self.failure(run):
            raise failure

    async def _read(
        self, where: Sequence[str], parameters: Sequence[object], limit: int
    ) -> list[CheckpointTuple]:
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        sql = f"{_SELECT}{condition} ORDER BY id DESC, thread DESC, ns DESC LIMIT ?"

        def query(database: sqlite3.Connection) -> list[CheckpointTuple]:
            database.execute("BEGIN")  # a checkpoint and its writes, as they were at one moment
            try:
                return [self._tuple(database, *row) for row in database.execute(sql, (*parameters, limit))]
            finally:
                database.rollback()

        return await self._journal.read(query)

    def _tuple(self, database: sqlite3.Connection, *row: Any) -> CheckpointTuple:
        thread, ns, id, parent, kind, blob, about = row
        # A later layer takes the place of an earlier one; dict keeps the place, which is LangGraph's order.
        writes = {
            (task, index): (task, channel, self.serde.loads_typed((type, value)))
            for task, index, channel, type, value in database.execute(_SELECT_WRITES, (thread, ns, id))
        }
        return CheckpointTuple(
            config=_config(thread, ns, id),
            checkpoint=self.serde.loads_typed((kind, blob)),
            metadata=orjson.loads(about),
            parent_config=_config(thread, ns, parent) if parent else None,
            pending_writes=list(writes.values()),
        )


class _Serializer(JsonPlusSerializer):
    """LangGraph's serializer, which builds only what LangGraph itself and LangChain's messages need.

    Stored bytes can name any class; this one builds those on LangGraph's list (and those a graph's own
    state declares, which LangGraph adds through `with_allowlist`), and gives the plain data of others.
    """

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        try:
            kind, data = super().dumps_typed(obj)
        except TypeError as error:
            raise InvalidInput(f"The state cannot be kept ({error}); keep JSON values in it.") from error
        if len(data) > _LARGEST:
            raise TooLarge(
                f"The state has a value of {len(data) >> 20} MiB and may have {_LARGEST >> 20}; "
                "keep large values elsewhere, and their names in the state."
            )
        return kind, data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        why: object = f"of the kind {data[0]}"
        if data[0] in ("null", "bytes", "bytearray", "msgpack"):
            try:
                return super().loads_typed(data)
            except ValueError as error:
                why = error
        raise StorageError(
            f"A stored checkpoint cannot be read ({why}); go on from an older one, or restore a backup."
        )


def _address(config: RunnableConfig) -> tuple[str, str]:
    wanted = config["configurable"]
    return wanted["thread_id"], wanted.get("checkpoint_ns", "")


def _config(thread: str, ns: str, id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": id}}


def _owner(ns: str, parents: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return namespace and id of the checkpoint whose task runs this subgraph, the last of its parents.

    A namespace without a task's id is of the graph itself, or of a subgraph that remembers from task to task.
    """
    above = [(up, id) for up, id in parents.items() if up != ns] if _TASK in ns else []
    return above[-1] if above else (None, None)


def _go_on_from(id: str) -> None:
    """Let LangGraph's next ids sort after this one, also when the clock was set back since it was made."""
    with suppress(ValueError):  # not one of LangGraph's
        made = checkpoint_ids.UUID(id).time
        last: int | None = checkpoint_ids._last_v6_timestamp
        checkpoint_ids._last_v6_timestamp = max(made, last or 0)  # type: ignore[assignment]


def _threads_of(database: sqlite3.Connection, run: str) -> list[str]:
    """Return the threads a run wrote to: by its record, else (slowly) by what it left."""
    rows = database.execute("SELECT thread FROM runs WHERE id = ?", (run,)).fetchall()
    return [thread for (thread,) in rows or database.execute(_SELECT_TRACES, {"run": run}).fetchall()]


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _condition(value: object) -> tuple[str, list[object]]:
    """Return SQL that compares one key (its first parameter) of the metadata, and further parameters."""
    entry = "EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND type "
    if value is None:
        return f"NOT {entry} <> 'null')", []
    if isinstance(value, str | int | float):
        return f"{entry} NOT IN ('object', 'array') AND value = ?)", [value]
    return f"{entry} IN ('object', 'array') AND value = ?)", [_json(value)]
