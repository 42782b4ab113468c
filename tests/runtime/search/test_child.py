"""What happens when processes are killed."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.errors import StorageError
from runtime.search import IndexRequest, IndexTotals, Search

OpenSearch = Callable[..., Awaitable[Search]]
IndexAll = Callable[..., Awaitable[IndexTotals]]

RECORDS = 3_000

SCRIPT = """
import asyncio, sys
from pathlib import Path
from runtime.config import load_settings
from runtime.extensions.loader import load_plugins
from runtime.search import IndexRequest, IndexTotals, Search
from runtime.telemetry import Telemetry

async def main():
    settings = load_settings(Path(sys.argv[1]))
    catalog = load_plugins(settings)
    search = Search(settings, lambda: catalog, Telemetry(settings.telemetry))
    await search.open()
    async for progress in search.index(IndexRequest("default", "docs", [sys.argv[2]])):
        print(progress.phase, progress.done, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    rows = [
        f'{{"id": "{number}", "text": "Record number {number}. It is short."}}' for number in range(RECORDS)
    ]
    (tmp_path / "docs" / "a.jsonl").write_text("\n".join(rows))
    return tmp_path / "docs"


def stored(workspace: Path) -> tuple[int, int]:
    """Return how many passages there are, and how many different ones."""
    db = sqlite3.connect(workspace / "var" / "search.db")
    found = db.execute("SELECT count(*), count(DISTINCT text) FROM passages").fetchone()
    db.close()
    return int(found[0]), int(found[1])


def child_pid(search: Search) -> int:
    pid = search._child.pid
    assert pid is not None
    return pid


async def test_a_killed_search_process_is_an_error_and_then_started_again(
    open_search: OpenSearch, index: IndexAll, docs: Path, tmp_path: Path
) -> None:
    search = await open_search()
    killed: list[int] = []

    async def index_and_kill() -> None:
        async for progress in search.index(IndexRequest("default", "docs", [str(docs)])):
            if not killed and progress.done < progress.total:
                killed.append(child_pid(search))
                os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(StorageError, match="run it again"):
        await index_and_kill()
    assert not search.health().ok
    await index(search, docs)
    assert child_pid(search) != killed[0]
    assert stored(tmp_path) == (RECORDS, RECORDS)
    assert len(await search.collection("default", "docs").keyword("2999", 5)) == 1
    assert search.health().ok


async def test_a_process_that_cannot_be_started_is_an_error_and_not_a_hang(
    open_search: OpenSearch, index: IndexAll, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = await open_search()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    for words in ("could not be started", "could not be started", "is started again in"):
        with pytest.raises(StorageError, match=words):
            await index(search, docs)
    assert not search.health().ok


async def test_a_search_whose_process_is_killed_is_asked_again(
    open_search: OpenSearch, index: IndexAll, docs: Path, tmp_path: Path, models: Path
) -> None:
    """Neither a kill between two searches nor one during a search is seen by who searches."""
    (tmp_path / "docs" / "a.jsonl").write_text('{"text": "Owls hunt."}\n{"text": "Larks sing."}\n')
    search = await open_search(models)
    await index(search, docs)
    collection = search.collection("default", "docs")
    for query in ("birds", "night", "morning"):
        os.kill(child_pid(search), signal.SIGKILL)
        hits = await collection.hybrid(query, 5)
        assert (len(hits), hits.mode, hits.degraded) == (2, "hybrid", False)
    searching = asyncio.create_task(collection.dense("songs", 5))
    await asyncio.sleep(0.01)
    os.kill(child_pid(search), signal.SIGKILL)
    assert len(await searching) == 2


async def test_kill_9_of_everything_loses_nothing_and_doubles_nothing(
    open_search: OpenSearch, index: IndexAll, docs: Path, tmp_path: Path, models: Path
) -> None:
    """Killed while reading, then while embedding; the third run goes on and finishes."""
    (tmp_path / "docs" / "a.jsonl").write_text("\n".join((docs / "a.jsonl").read_text().splitlines()[:400]))
    environment = {**os.environ, "HUBBUB_MODELS": str(models)}
    for wanted in ("reading 0", "vectors 128"):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path), str(docs)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == wanted:
                break
        process.kill()
        process.wait()
        process.stdout.close()
    search = await open_search(models)
    await index(search, docs)
    assert stored(tmp_path) == (400, 400)
    (info,) = await search.collections("default")
    assert info.vectors == 400
    hits = await search.collection("default", "docs").dense("Record number 7.", 400)
    assert len(hits) == len({hit.id for hit in hits}) == 400


async def test_a_lost_chroma_folder_is_filled_again(
    open_search: OpenSearch, index: IndexAll, docs: Path, tmp_path: Path, models: Path
) -> None:
    (tmp_path / "docs" / "a.jsonl").write_text('{"text": "Owls hunt."}\n{"text": "Larks sing."}\n')
    search = await open_search(models)
    await index(search, docs)
    await search.aclose()
    shutil.rmtree(tmp_path / "var" / "chroma")
    again = await open_search(models)
    await index(again, docs)
    assert len(await again.collection("default", "docs").dense("birds", 5)) == 2
