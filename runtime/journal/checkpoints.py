"""LangGraph's checkpoints in the journal: on the writer of events and runs, so they land in order."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

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

from runtime.journal.sqlite import SqliteJournal, unobserved

_SELECT = "SELECT thread, ns, id, parent, type, checkpoint, metadata FROM checkpoints"
_SELECT_WRITES = (
    "SELECT task, channel, type, value FROM writes"
    " WHERE thread = ? AND ns = ? AND checkpoint = ? ORDER BY task, idx"
)


class JournalSaver(BaseCheckpointSaver[str]):
    """A LangGraph saver whose writes are handed over before its first await.

    LangGraph starts `aput_writes` before the next `aput`, so the order of the calls is the order on
    disk.  A put does not wait for its commit: the run's own record, written last through the same
    pipe, does.  A reader waits for what was handed over before it.
    """

    def __init__(self, journal: SqliteJournal) -> None:
        super().__init__()
        self._journal = journal

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Hand over one checkpoint."""
        thread, ns = _address(config)
        kind, blob = self.serde.dumps_typed(checkpoint)
        _, about = self.serde.dumps_typed(get_checkpoint_metadata(config, metadata))
        row = (thread, ns, checkpoint["id"], config["configurable"].get("checkpoint_id"), kind, blob, about)
        unobserved(self._journal.submit([("checkpoint", row)]))
        return _config(thread, ns, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Hand over the writes of one task, all or none."""
        thread, ns = _address(config)
        checkpoint = config["configurable"]["checkpoint_id"]
        special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        rows: list[tuple[str, tuple[object, ...]]] = []
        for index, (channel, value) in enumerate(writes):
            place = WRITES_IDX_MAP.get(channel, index)
            row = (thread, ns, checkpoint, task_id, place, channel, *self.serde.dumps_typed(value), task_path)
            rows.append(("write.replace" if special else "write", row))
        if rows:
            unobserved(self._journal.submit(rows))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the named checkpoint, or the newest of its thread and namespace."""
        thread, ns = _address(config)
        wanted = get_checkpoint_id(config)
        sql = _SELECT + " WHERE thread = ? AND ns = ?"
        parameters: tuple[object, ...] = (thread, ns)
        if wanted:
            sql, parameters = sql + " AND id = ?", (*parameters, wanted)
        found = await self._read(sql + " ORDER BY id DESC LIMIT 1", parameters)
        return found[0] if found else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first."""
        where, parameters = ["1"], list[object]()
        wanted = config["configurable"] if config else {}
        for column, key in (("thread", "thread_id"), ("ns", "checkpoint_ns"), ("id", "checkpoint_id")):
            if (value := wanted.get(key)) is not None:
                where.append(f"{column} = ?")
                parameters.append(value)
        if before and (newer := get_checkpoint_id(before)):
            where.append("id < ?")
            parameters.append(newer)
        sql = _SELECT + " WHERE " + " AND ".join(where) + " ORDER BY id DESC"
        left = limit
        for found in await self._read(sql, tuple(parameters)):
            if filter and any(found.metadata.get(key) != value for key, value in filter.items()):
                continue
            if left is not None:
                if left == 0:
                    return
                left -= 1
            yield found

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread's checkpoints and writes."""
        await self._journal.submit([("checkpoints.delete", (thread_id,)), ("writes.delete", (thread_id,))])

    async def _read(self, sql: str, parameters: tuple[object, ...]) -> list[CheckpointTuple]:
        await self._journal.barrier()
        return await self._journal.read(lambda database: list(self._tuples(database, sql, parameters)))

    def _tuples(
        self, database: sqlite3.Connection, sql: str, parameters: tuple[object, ...]
    ) -> Iterator[CheckpointTuple]:
        for thread, ns, id, parent, kind, blob, about in database.execute(sql, parameters).fetchall():
            writes = database.execute(_SELECT_WRITES, (thread, ns, id)).fetchall()
            yield CheckpointTuple(
                config=_config(thread, ns, id),
                checkpoint=self.serde.loads_typed((kind, blob)),
                metadata=self.serde.loads_typed((kind, about)),
                parent_config=_config(thread, ns, parent) if parent else None,
                pending_writes=[
                    (task, channel, self.serde.loads_typed(value)) for task, channel, *value in writes
                ],
            )


def _address(config: RunnableConfig) -> tuple[str, str]:
    wanted = config["configurable"]
    return wanted["thread_id"], wanted.get("checkpoint_ns", "")


def _config(thread: str, ns: str, id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": id}}
