"""A folder that is edited while somebody watches it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from runtime.watch import FolderWatch

Changes = AsyncGenerator[frozenset[Path]]


@pytest.fixture
async def changes(tmp_path: Path) -> AsyncIterator[Changes]:
    """What changes in a folder that has the files a.toml and b.toml."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(name)
    watch = FolderWatch(tmp_path, ".toml", interval=0.01)
    async with aclosing(watch.changes()) as told:
        yield told


async def test_it_names_what_was_added_changed_and_removed(changes: Changes, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("A")
    (tmp_path / "b.toml").unlink()
    (tmp_path / "c.toml").write_text("c")
    assert await anext(changes) == {tmp_path / f"{name}.toml" for name in "abc"}
    (tmp_path / "c.toml").unlink()
    assert await anext(changes) == {tmp_path / "c.toml"}


async def test_it_passes_over_other_files_and_folders_inside(changes: Changes, tmp_path: Path) -> None:
    (tmp_path / "a.toml~").write_text("the copy of an editor")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "c.toml").write_text("c")
    (tmp_path / "d.toml").write_text("d")
    assert await anext(changes) == {tmp_path / "d.toml"}


async def test_it_sees_a_file_that_was_replaced_by_one_of_the_same_size_and_time(
    changes: Changes, tmp_path: Path
) -> None:
    file, new = tmp_path / "a.toml", tmp_path / "new"
    new.write_text("A")
    was = file.stat()
    os.utime(new, ns=(was.st_atime_ns, was.st_mtime_ns))
    new.replace(file)
    assert await anext(changes) == {file}


async def test_it_sees_where_a_link_leads_to_another_file(changes: Changes, tmp_path: Path) -> None:
    """As in Kubernetes, where a config map is a folder of links that are led elsewhere."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.toml").write_text(name)
    (tmp_path / "data").symlink_to("old")
    (tmp_path / "c.toml").symlink_to("data/c.toml")
    assert await anext(changes) == {tmp_path / "c.toml"}
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").replace(tmp_path / "data")
    assert await anext(changes) == {tmp_path / "c.toml"}


async def test_it_waits_until_a_file_is_written_whole(changes: Changes, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"

    async def write() -> None:
        with file.open("w") as opened:
            for piece in ("one ", "two ", "three"):
                opened.write(piece)
                opened.flush()
                await asyncio.sleep(0.02)

    writing = asyncio.create_task(write())
    assert await anext(changes) == {file}
    assert file.read_text() == "one two three"
    await writing


async def test_it_does_not_wait_for_ever_for_a_file_that_never_stops_to_grow(
    changes: Changes, tmp_path: Path
) -> None:
    async def grow() -> None:
        while True:
            with (tmp_path / "a.toml").open("a") as opened:
                opened.write("more")
            await asyncio.sleep(0.01)

    growing = asyncio.create_task(grow())
    assert await anext(changes) == {tmp_path / "a.toml"}
    growing.cancel()


async def test_a_folder_that_is_gone_has_not_changed_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "graphs"
    folder.mkdir()
    (folder / "a.toml").write_text("a")
    watch = FolderWatch(folder, ".toml", interval=0.01)

    def said() -> list[logging.LogRecord]:
        return [each for each in caplog.records if each.name == "runtime.watch"]

    folder.rename(tmp_path / "away")
    async with aclosing(watch.changes()) as changes:
        change = asyncio.ensure_future(anext(changes))
        while not said():
            await asyncio.sleep(0.01)
        (tmp_path / "away").rename(folder)
        (folder / "b.toml").write_text("b")
        assert await change == {folder / "b.toml"}
    (warning,) = said()
    assert "cannot be read" in warning.getMessage()


async def test_a_folder_may_come_later(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    async with aclosing(FolderWatch(folder, ".toml", interval=0.01).changes()) as changes:
        change = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0.02)
        folder.mkdir()
        (folder / "a.toml").write_text("a")
        assert await change == {folder / "a.toml"}


async def test_what_was_edited_between_the_making_and_the_first_look_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a")
    watch = FolderWatch(tmp_path, ".toml", interval=0.01)
    (tmp_path / "a.toml").write_text("edited")
    async with aclosing(watch.changes()) as changes:
        assert await anext(changes) == {tmp_path / "a.toml"}
