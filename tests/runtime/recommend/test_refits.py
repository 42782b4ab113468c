"""Models are fitted in a process of their own, when there is something new, and never by halves."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from runtime.errors import HubbubError, NotFound
from runtime.journal.interactions import JournalInteractions
from runtime.journal.sqlite import SqliteJournal
from runtime.recommend.fitted import load
from runtime.recommend.interactions import AllInteractions, models_file
from runtime.recommend.refits import Refits
from runtime.settings import RecommendSettings
from tests.runtime.recommend.tastes import events, rows


class Clock:
    """A clock that a test turns."""

    now = 1.9e9

    def __call__(self) -> float:
        return self.now


def refits(
    journal: SqliteJournal, folder: Path, clock: Clock | None = None, refit: float | None = 86_400.0
) -> Refits:
    settings = RecommendSettings(refit=refit)
    return Refits(JournalInteractions(journal), folder, settings, clock or Clock())


async def test_a_tenant_without_events_is_told_so(journal: SqliteJournal, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has no events yet; send some with POST /events"):
        await refits(journal, tmp_path).fit("acme")
    assert not models_file(tmp_path, "acme").exists()


async def test_who_has_new_events_is_due_when_the_models_are_old(
    journal: SqliteJournal, interactions: AllInteractions, tmp_path: Path
) -> None:
    clock = Clock()
    made = refits(journal, tmp_path, clock, refit=3600.0)
    assert await made.due() == []
    for tenant in ("acme", "other"):
        await interactions.record(tenant, rows(events(users=4)))
    assert sorted(await made.due()) == ["acme", "other"]
    fitted_at = (await made.fit("acme"))["fitted_at"]
    clock.now = fitted_at + 4000
    assert await made.due() == ["other"]
    await interactions.record("acme", rows(events(users=5)))
    assert sorted(await made.due()) == ["acme", "other"]
    clock.now = fitted_at + 3000
    assert await made.due() == ["other"]
    assert await refits(journal, tmp_path, clock, refit=None).due() == []


async def test_tenants_learn_nothing_of_each_other(
    journal: SqliteJournal, interactions: AllInteractions, tmp_path: Path
) -> None:
    for tenant in ("acme", "../other"):
        named = [(user, f"{tenant} {item}", at) for user, item, at in events(users=4)]
        await interactions.record(tenant, rows(named))
        await refits(journal, tmp_path).fit(tenant)
    for tenant in ("acme", "../other"):
        assert all(item.startswith(tenant) for item in load(models_file(tmp_path, tenant)).items)
    assert len(list((tmp_path / "recommend").iterdir())) == 2


async def test_one_that_is_killed_leaves_the_older_models(
    journal: SqliteJournal, interactions: AllInteractions, tmp_path: Path
) -> None:
    made, file = refits(journal, tmp_path), models_file(tmp_path, "acme")
    await interactions.record("acme", rows(events(users=20)))
    await made.fit("acme")
    before = file.read_bytes()
    await interactions.record("acme", rows(events(users=150)))
    fitting = asyncio.create_task(made.fit("acme"))
    os.kill(await _child_of("runtime.recommend.process"), signal.SIGKILL)
    with pytest.raises(HubbubError, match="ended with -9; the older ones stay"):
        await fitting
    assert file.read_bytes() == before
    await made.fit("acme")
    assert len(load(file).items) == 90


async def test_where_there_are_models_no_list_waits_for_imports(tmp_path: Path) -> None:
    program = """if True:
        import asyncio, sys
        from pathlib import Path
        from runtime.recommend.refits import Refits
        from runtime.settings import RecommendSettings

        async def main():
            running = asyncio.create_task(Refits(None, Path(sys.argv[1]), RecommendSettings()).run())
            await asyncio.wait([running], timeout=float(sys.argv[2]))
            running.cancel()

        asyncio.run(main())
        print("scipy.sparse" in sys.modules)
    """
    (tmp_path / "some" / "recommend").mkdir(parents=True)
    (tmp_path / "some" / "recommend" / "a.npz").touch()
    for folder, seconds, told in (("none", "0.1", b"False"), ("some", "0.1", b"True")):
        given = sys.executable, "-c", program, str(tmp_path / folder), seconds
        process = await asyncio.create_subprocess_exec(*given, stdout=asyncio.subprocess.PIPE)
        printed, _ = await process.communicate()
        assert printed.strip() == told


async def test_one_that_nobody_waits_for_any_longer_is_ended(
    journal: SqliteJournal, interactions: AllInteractions, tmp_path: Path
) -> None:
    await interactions.record("acme", rows(events(users=4)))
    fitting = asyncio.create_task(refits(journal, tmp_path).fit("acme"))
    pid = await _child_of("runtime.recommend.process")
    fitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fitting
    assert not Path(f"/proc/{pid}").exists()


async def test_a_hidden_item_in_the_catalogue_is_no_failure(
    journal: SqliteJournal, interactions: AllInteractions, tmp_path: Path
) -> None:
    await interactions.record("acme", rows([("ann", "tea", 1.0)]))
    await interactions.put_items("acme", [{"id": "rice", "title": ""}, {"id": "🍵", "tags": ["🍵"]}])
    said = await refits(journal, tmp_path).fit("acme")
    assert (said["items"], said["new_items"], said["ndcg"]) == (1, 2, None)


async def _child_of(module: str) -> int:
    """Wait for our child that runs a module; returns its process id."""
    while True:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                except OSError:
                    continue
                if module.encode() in words and int(parent) == os.getpid():
                    return int(entry.name)
        await asyncio.sleep(0.01)
