"""The saver keeps LangGraph's contract, and adds to it: whose a checkpoint is, and who may write."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.types import Command, Interrupt, Send

from runtime.errors import Conflict, InvalidInput, StorageError
from runtime.journal.checkpoints import JournalSaver
from runtime.journal.sqlite import SqliteJournal
from runtime.records import Run, RunChange, RunStatus

from .conftest import config, everything

NewRun = Callable[..., Awaitable[Run]]


async def put(saver: JournalSaver, where: Any, values: dict[str, Any] | None = None, **about: Any) -> Any:
    """Put a checkpoint as LangGraph does; returns the config it has now."""
    checkpoint = {**empty_checkpoint(), "channel_values": values or {}}
    metadata: CheckpointMetadata = {"source": "loop", "step": 1, "parents": {}, **about}  # type: ignore[typeddict-item]
    return await saver.aput(where, checkpoint, metadata, {})  # type: ignore[arg-type]


# --------------------------------------------------------------------------- LangGraph's own suite


@pytest.mark.parametrize("capability", list(Capability))
async def test_the_saver_passes_langgraphs_suite_for(journal: SqliteJournal, capability: Capability) -> None:
    @checkpointer_test(name="journal")
    async def saver() -> AsyncIterator[JournalSaver]:
        yield JournalSaver(journal)

    result = (await validate(saver, capabilities={capability.value})).results[capability.value]
    assert result.detected
    assert result.tests_passed > 0
    assert result.failures == []


# --------------------------------------------------------------------------- reading


async def test_a_page_of_a_long_history_is_all_that_is_read(
    journal: SqliteJournal, saver: JournalSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver = JournalSaver(journal, keep=1000)
    for step in range(130):
        await put(saver, config("t"), {"step": step})
    read = 0
    loads = saver.serde.loads_typed

    def counted(data: tuple[str, bytes]) -> Any:
        nonlocal read
        read += 1
        return loads(data)

    monkeypatch.setattr(saver.serde, "loads_typed", counted)
    page = [found async for found in saver.alist(config("t"), limit=3)]
    assert [found.checkpoint["channel_values"]["step"] for found in page] == [129, 128, 127]
    assert read == 3
    whole = [found.checkpoint["channel_values"]["step"] for found in await everything(saver, "t")]
    assert whole == list(range(129, -1, -1))


async def test_a_limit_counts_what_passes_the_filter(saver: JournalSaver) -> None:
    for step in range(10):
        await put(saver, config("t"), step=step, source="loop" if step % 2 else "update")
    found = [each async for each in saver.alist(config("t"), filter={"source": "loop"}, limit=2)]
    assert [each.metadata["step"] for each in found] == [9, 7]


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({"score": 42}, True),
        ({"score": "42"}, False),
        ({"score": 42.0}, True),
        ({'odd"key.$[0]': "it's"}, True),
        ({"flag": True}, True),
        ({"nothing": None}, True),
        ({"missing": None}, True),
        ({"score": None}, False),
        ({"map": {"b": [1, None], "a": "x"}}, True),
        ({"map": {"a": "x"}}, False),
        ({"map": '{"a":"x","b":[1,null]}'}, False),
        ({"score": 42, "flag": False}, False),
    ],
)
async def test_a_filter_compares_values_as_python_does(
    saver: JournalSaver, wanted: dict[str, Any], matches: bool
) -> None:
    about: dict[str, Any] = {"score": 42, 'odd"key.$[0]': "it's", "flag": True, "nothing": None}
    await put(saver, config("t"), **about, map={"a": "x", "b": [1, None]})
    found = [each async for each in saver.alist(config("t"), filter=wanted)]
    assert bool(found) is matches


async def test_writes_are_read_in_the_order_in_which_langgraph_applies_them(saver: JournalSaver) -> None:
    where = await put(saver, config("t"))
    await saver.aput_writes(where, [("log", "third")], "a-task", "~__pregel_push, 0000000001")
    await saver.aput_writes(where, [("log", "first"), ("log", "second")], "z-task", "~__pregel_pull, a")
    found = await saver.aget_tuple(where)
    assert found
    assert [value for _, _, value in found.pending_writes or []] == ["first", "second", "third"]


async def test_a_copy_belongs_to_no_run_and_is_made_once(saver: JournalSaver) -> None:
    await put(saver, config("from", "run"))
    await saver.acopy_thread("from", "to")
    with pytest.raises(Conflict, match="copy to a new thread"):
        await saver.acopy_thread("from", "to")
    await saver.adelete_for_runs(["run"])
    assert await everything(saver, "from") == []
    assert len(await everything(saver, "to")) == 1


async def test_a_put_that_was_asked_to_be_in_step_is_on_disk_when_it_returns(
    saver: JournalSaver, new_run: NewRun, tmp_path: Path
) -> None:
    run = await new_run("t")
    await put(saver, config("t", run.id, fence=1, sync=True))
    with sqlite3.connect(tmp_path / "journal.db") as database:
        ((about,),) = database.execute("SELECT metadata FROM checkpoints").fetchall()
    assert "sync" not in about


async def test_an_unknown_way_to_prune_is_refused(saver: JournalSaver) -> None:
    with pytest.raises(InvalidInput, match='use "keep_latest" or "delete"'):
        await saver.aprune(["t"], strategy="everything")


# --------------------------------------------------------------------------- fence and failure


async def test_a_stale_worker_cannot_write_and_its_run_is_told(
    journal: SqliteJournal, saver: JournalSaver, new_run: NewRun
) -> None:
    run = await new_run("t")
    mine = await put(saver, config("t", run.id, fence=1))
    await journal.append("t", [], change=RunChange(run.id, RunStatus.RUNNING, fence=2, attempt=2))
    await put(saver, config("t", run.id, fence=1))
    await journal.barrier()
    assert [found.config for found in await everything(saver, "t")] == [mine]
    with pytest.raises(Conflict, match="newer attempt"):
        await saver.aput_writes(config("t", run.id, checkpoint_id="any"), [("x", 1)], "task")
    assert saver.failure(run.id) is None


async def test_a_stale_workers_writes_are_refused_and_the_same_writes_twice_are_not(
    journal: SqliteJournal, saver: JournalSaver, new_run: NewRun
) -> None:
    run = await new_run("t")
    mine = await put(saver, config("t", run.id, fence=1))
    where = config("t", run.id, fence=1, checkpoint_id=mine["configurable"]["checkpoint_id"])
    await saver.aput_writes(where, [("x", 1)], "task")
    await saver.aput_writes(where, [("x", 1)], "task")
    await journal.barrier()
    assert saver.failure(run.id) is None
    await journal.append("t", [], change=RunChange(run.id, RunStatus.RUNNING, fence=2, attempt=2))
    await saver.aput_writes(where, [("x", 2), ("y", 2)], "other task")
    found = await saver.aget_tuple(mine)
    assert found
    assert found.pending_writes == [("task", "x", 1)]
    assert isinstance(saver.failure(run.id), Conflict)
    assert saver.failure(run.id) is None


async def test_a_run_that_was_deleted_writes_nothing_any_more(
    journal: SqliteJournal, saver: JournalSaver, new_run: NewRun
) -> None:
    run = await new_run("t")
    await journal.delete_run(run.id)
    await put(saver, config("t", run.id, fence=1))
    assert await everything(saver, "t") == []
    assert saver.failure(run.id)


async def test_the_fence_is_no_part_of_what_people_see(saver: JournalSaver, new_run: NewRun) -> None:
    run = await new_run("t")
    await put(saver, config("t", run.id, fence=1))
    assert (await everything(saver, "t"))[0].metadata == {
        "source": "loop", "step": 1, "parents": {}, "run_id": run.id,
    }  # fmt: skip


async def test_a_put_after_a_lost_one_says_so_once_where_no_run_can_be_asked(
    tmp_path: Path,
) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", durability="normal")
    await journal.open()
    saver = JournalSaver(journal)
    await put(saver, config("t"))
    await journal.aclose()
    await put(saver, config("t"))
    await asyncio.sleep(0)
    with pytest.raises(StorageError, match="journal is closed"):
        await put(saver, config("t"))


# --------------------------------------------------------------------------- what stored bytes may do


async def test_messages_and_langgraphs_own_values_come_back_as_they_were(saver: JournalSaver) -> None:
    values = {
        "messages": [
            HumanMessage("hi", id="1"),
            AIMessage("yes", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c"}]),
            ToolMessage("done", tool_call_id="c"),
        ],
        "sends": [Send("step", {"a": 1})],
        "asked": Interrupt("ok?", id="i"),
        "way": Command(goto="there"),
        "set": {1, 2},
        "bytes": b"\x00\xff",
    }
    where = await put(saver, config("t"), values)
    found = await saver.aget_tuple(where)
    assert found
    assert found.checkpoint["channel_values"] == values


HOSTILE = """
from pathlib import Path
Path(__file__).with_name("harm").touch()
class Innocent:
    def __init__(self, *args, **kwargs):
        Path(__file__).with_name("harm").touch()
"""


@pytest.mark.parametrize("code", range(8))
async def test_stored_bytes_cannot_import_or_call_anything(
    journal: SqliteJournal, saver: JournalSaver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hostile", raising=False)
    assert importlib.util.find_spec("hostile")
    argument: Any = {2: {"a": 1}, 1: ["x"]}.get(code, "x")
    call = ormsgpack.packb(("hostile", "Innocent", argument, "__call__"))
    planted = {**empty_checkpoint(), "channel_values": {"x": ormsgpack.Ext(code, call)}}
    await put(saver, config("t"))
    await journal.barrier()
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE checkpoints SET checkpoint = ?", (ormsgpack.packb(planted),))
    await everything(saver, "t")
    assert not (tmp_path / "harm").exists()
    assert "hostile" not in sys.modules


@pytest.mark.parametrize("kind", ["pickle", "json", "zip"])
async def test_bytes_of_another_kind_and_broken_ones_are_refused_with_a_sentence(
    journal: SqliteJournal, saver: JournalSaver, tmp_path: Path, kind: str
) -> None:
    await put(saver, config("t"))
    await journal.barrier()
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE checkpoints SET type = ?, checkpoint = '{}'", (kind,))
    with pytest.raises(StorageError, match="go on from an older one"):
        await saver.aget_tuple(config("t"))
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE checkpoints SET type = 'msgpack', checkpoint = x'c1'")
    with pytest.raises(StorageError, match="go on from an older one"):
        await saver.aget_tuple(config("t"))


async def test_a_value_that_cannot_be_kept_is_refused_when_it_is_put(saver: JournalSaver) -> None:
    with pytest.raises(InvalidInput, match="keep JSON values"):
        await put(saver, config("t"), {"x": object()})
