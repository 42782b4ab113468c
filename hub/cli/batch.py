"""`hubbub batch`: a table through a graph, each row a run; stopped anywhere, it goes on there."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from hub.cli.answer_lines import AnswerLines
from hub.cli.batch_progress import BatchProgress, ended, summary
from hub.cli.output import print_json, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from hub.cli.remote import Remote
    from hub.cli.workspace import Door
    from hub.tables.file import TableFile
    from hub.tables.table import Table
    from runtime.batches.batch import NewRow

Write = Callable[[Sequence[bytes]], None]

_AT_ONCE = 1000
_RICHEST = 1e9
_LOOK = 0.5
"""Seconds between two looks at where the batch is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a batch is to be."""

    graph: str
    concurrency: int | None
    budget_usd: float | None
    retry: bool
    again: bool
    largest: int
    """Bytes of one message to the hub."""


@click.command("batch")
@click.argument("graph")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where the answers go.")
@click.option("--concurrency", type=click.IntRange(1), metavar="N", help="How many rows at once.")
@click.option("--budget", type=float, metavar="USD", help="Begin no row that would cost more than that.")
@click.option("--retry", is_flag=True, help="Run the rows again that have failed.")
@click.option("--again", is_flag=True, help="Begin anew, though this file was done already.")
@click.option("--json", "as_json", is_flag=True, help="Print the totals for programs.")
@click.pass_obj
def command(
    target: Target,
    graph: str,
    file: Path,
    out: Path | None,
    concurrency: int | None,
    budget: float | None,
    retry: bool,
    again: bool,
    as_json: bool,
) -> int:
    """Take each row of FILE (CSV, JSON Lines, Parquet) through GRAPH, with errors beside their rows.

    The answers are JSON Lines in the order of the rows, in --out or on the standard output. Stopped
    or killed, the same command goes on where it was: no row is lost, and none is run twice.
    """
    from hub.cli.workspace import open_door
    from hub.tables.file import examine
    from hub.tables.table import is_text

    if budget is not None and not 0 < budget < _RICHEST:
        raise click.BadParameter("--budget is a number of US dollars above 0.")
    settings = target.settings()
    source = examine(file, text=is_text(file.suffix))
    if source.guessed:
        say(f"{file.name} is not UTF-8; it is read as {source.encoding}.")
    lines = _opened(out, file) if out else None
    asked = Asked(graph, concurrency, budget, retry, again, settings.hub.limits.message)
    progress = BatchProgress()
    try:
        with open_door(target) as door:
            batch = asyncio.run(_batch(door, asked, source, lines, progress, quiet=as_json and not out))
    except asyncio.CancelledError:
        return 1
    finally:
        if lines:
            lines.close()
    if as_json:
        seconds = {"seconds": round(progress.seconds(), 3), "rows_per_second": round(progress.rate(batch), 1)}
        print_json({**batch, **seconds, "out": str(out) if out else None})
    else:
        say(summary(batch, progress))
        if batch["waiting"]:
            say("A row that waits names its thread: `hubbub answer THREAD`, then run this again.")
        if batch["failed"]:
            say("--retry runs the failed rows again.")
    return 0 if batch["done"] == batch["rows"] else 1


def _opened(out: Path, file: Path) -> AnswerLines:
    from runtime.errors import CannotStart

    if out.exists() and out.samefile(file):
        raise CannotStart(f"{out} is the table itself; name another --out.")
    return AnswerLines(out)


async def _batch(
    door: Door,
    asked: Asked,
    source: TableFile,
    lines: AnswerLines | None,
    progress: BatchProgress,
    *,
    quiet: bool,
) -> Mapping[str, Any]:
    """Make the batch or find it, go on with it, write what becomes of its rows; returns its record."""
    from hub.cli.remote import open_remote
    from hub.tables.table import open_table

    async with open_remote(door) as remote:
        table, ignored = open_table(source, await _inputs(remote, asked.graph))
        if ignored:
            say(f"{asked.graph} takes no {', '.join(ignored)}; left out.")
        if lines:
            lines.check(next(table.rows()).input)
        write = _write_nothing if quiet else lines.write if lines else _print
        with progress.shown(), _stoppable():
            batch = await _made(remote, asked, source, table, progress)
            progress.begin(batch)
            try:
                batch = await remote.resume_batch(batch["id"], _changes(asked))
                if asked.concurrency and batch["concurrency"] < asked.concurrency:
                    say(f"{batch['concurrency']} rows at once: more is for [batches] concurrency to allow.")
                batch = await _carried_out(remote, batch, write, progress)
            except BaseException:
                await _pause(remote, batch["id"])
                raise
        if lines:
            lines.finish()
    if batch["reason"]:
        say(batch["reason"])
    return batch


async def _carried_out(
    remote: Remote, batch: Mapping[str, Any], write: Write, progress: BatchProgress
) -> Mapping[str, Any]:
    """Write and show what becomes of the rows; returns the batch as it is then."""
    import aiohttp

    from runtime.errors import HubbubError

    gone = "The hub has stopped; start it, then run this again: it goes on where it was."
    try:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(_look(remote, batch["id"], progress), name="progress")
            await _follow(remote, batch["id"], write, progress)
            looking.cancel()
        batch = await remote.batch(batch["id"])
    except* aiohttp.ClientError as error:
        raise HubbubError(gone) from error
    if batch["status"] == "running":
        raise HubbubError(gone)
    progress.tell(batch)
    return batch


async def _inputs(remote: Remote, graph: str) -> Mapping[str, Any]:
    """Return the schema of a graph's input; CannotStart for a graph that cannot be run."""
    from runtime.errors import CannotStart, HubbubError

    try:
        found: Mapping[str, Any] = (await remote.schemas(graph))["input_schema"]
    except HubbubError as error:
        raise CannotStart(str(error)) from error
    return found


async def _made(
    remote: Remote, asked: Asked, source: TableFile, table: Table, progress: BatchProgress
) -> Mapping[str, Any]:
    """Return the batch of a file, with all its rows."""
    from runtime.errors import CannotStart

    about = {"name": source.path.name, "sha256": source.sha256}
    batch = await remote.make_batch({"graph": asked.graph, "file": about, "again": asked.again})
    if batch["status"] != "loading":
        say(f"{source.path.name} was begun before: {ended(batch)} of {batch['rows']} rows have ended.")
        return batch
    for first, page in _pages(table.rows(), batch["rows"], asked.largest):
        batch = await remote.add_rows(batch["id"], first, page)
        progress.loaded(batch["rows"])
    try:
        source.check()
    except CannotStart:
        await remote.delete_batch(batch["id"])
        raise
    return batch


def _pages(rows: Iterator[NewRow], known: int, largest: int) -> Iterator[tuple[int, bytes]]:
    """Yield pages of rows as JSON, with the number of their first one, but the rows that are `known`."""
    room = largest - 1024
    page, first, size = list[bytes](), known + 1, 0
    for number, row in enumerate(rows, 1):
        if number <= known:
            continue
        data = _row(row, room)
        if page and (size + len(data) > room or len(page) == _AT_ONCE):
            yield first, b",".join(page)
            page, first, size = [], number, 0
        page.append(data)
        size += len(data) + 1
    if page:
        yield first, b",".join(page)


def _row(row: NewRow, room: int) -> bytes:
    data = orjson.dumps({"input": row.input, "line": row.line, "problem": row.problem})
    if len(data) <= room:
        return data
    problem = f"It has {len(data)} bytes, more than a message may have ([hub] limits.message); raise that."
    return orjson.dumps({"input": None, "line": row.line, "problem": problem})


def _changes(asked: Asked) -> dict[str, Any]:
    given = {"budget_usd": asked.budget_usd, "concurrency": asked.concurrency}
    return {name: value for name, value in given.items() if value is not None} | {"failed": asked.retry}


async def _follow(remote: Remote, id: str, write: Write, progress: BatchProgress) -> None:
    """Write each row as it ends, in order, until nobody works on the batch any more."""
    async for page in remote.batch_results(id):
        write(page)
        for line in page:
            if error := orjson.loads(line).get("error"):
                progress.error(orjson.loads(line)["row"], error)


async def _look(remote: Remote, id: str, progress: BatchProgress) -> None:
    while True:
        progress.tell(await remote.batch(id))
        await asyncio.sleep(_LOOK)


async def _pause(remote: Remote, id: str) -> None:
    """Let no further row begin: whoever stops this wants nothing to be paid for meanwhile."""
    with suppress(Exception):
        async with asyncio.timeout(10):
            batch = await remote.pause_batch(id)
            say(f"Stopped: {ended(batch)} of {batch['rows']} rows have ended; run it again, and it goes on.")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end this task in order, as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _print(lines: Sequence[bytes]) -> None:
    sys.stdout.buffer.write(b"".join(lines))
    sys.stdout.flush()


def _write_nothing(lines: Sequence[bytes]) -> None:
    """Leave the standard output to the totals."""
