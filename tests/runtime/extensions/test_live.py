"""Files that are edited while a hub serves: new calls get the new code, and what it was is retired."""

import asyncio
import gc
import sys
import time
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import PluginError
from runtime.extensions import guard
from runtime.extensions.catalog import PluginInfo, Registered
from runtime.extensions.live import Plugins
from runtime.settings import Settings

FIT = """
import asyncio
from hubbub import Score, hookimpl

seen = []

class Fit:
    name = "{name}"
    async def start(self): {start}
    async def aclose(self): seen.append("closed")
    async def score(self, item, ctx):
        if item: await item.wait()
        return Score({value})

@hookimpl
def register_scorers(): return [Fit()]
"""


class Workspace:
    """A folder of plugins that is edited."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.plugins = folder / "plugins", Plugins(settings)
        self.others = set(sys.modules)

    def write(self, file: str = "fit", text: str = FIT, **values: Any) -> None:
        """Write a plugin file."""
        told = {"name": "fit", "value": 0.5, "start": "...", **values}
        (self.folder / f"{file}.py").write_text(text.format(**told) if text is FIT else text)

    async def edit(self, file: str = "fit", text: str = FIT, **values: Any) -> None:
        """Write a file and have it taken."""
        self.write(file, text, **values)
        await self.plugins.refresh()

    def scorer(self, name: str = "fit") -> Registered:
        """Return a scorer."""
        found = self.plugins.catalog.get("scorer", name)
        assert found is not None
        return found

    async def score(self, found: Registered | None = None, wait: Any = None) -> Any:
        """Call the scorer, or what it was at some time."""
        score = await guard.call(found or self.scorer(), "score", wait, None, deadline=time.monotonic() + 30)
        return score.value

    @property
    def modules(self) -> list[str]:
        """The modules of plugins that are there."""
        return [name for name in set(sys.modules) - self.others if name.startswith("hubbub_plugin_fit_")]

    def info(self, name: str = "fit") -> PluginInfo:
        """Return what the list shows."""
        (info,) = [each for each in self.plugins.catalog.plugins if each.name == name]
        return info


@pytest.fixture
async def there(workspace: Callable[..., Settings], tmp_path: Path) -> AsyncIterator[Workspace]:
    """One plugin, loaded and started."""
    made = Workspace(tmp_path, workspace())
    made.write()
    await made.plugins.load()
    await made.plugins.start()
    yield made
    await made.plugins.aclose()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_edit_is_what_new_calls_get(there: Workspace) -> None:
    assert await there.score() == 0.5
    await there.edit(value=0.75)
    assert await there.score() == 0.75
    assert there.info().state == "ready"


async def test_an_edit_is_noticed_by_whoever_follows(there: Workspace) -> None:
    following = asyncio.create_task(there.plugins.follow())
    there.write(value=0.75)
    await _until(lambda: there.scorer().value.score.__code__.co_consts[-1] == 0.75)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_call_at_work_ends_on_the_old_one_which_is_closed_then(there: Workspace) -> None:
    old, gate = there.scorer(), asyncio.Event()
    seen = sys.modules[old.plugin.module].seen
    call = asyncio.create_task(there.score(old, gate))
    await asyncio.sleep(0)
    await there.edit(value=0.75)
    assert await there.score() == 0.75
    assert seen == []
    gate.set()
    assert await call == 0.5
    await _until(lambda: seen == ["closed"])
    await _until(lambda: old.plugin.module not in sys.modules)


async def test_who_holds_an_old_object_calls_the_new_one(there: Workspace) -> None:
    old = there.scorer()
    await there.edit(value=0.75)
    await there.edit(value=0.875)
    assert await there.score(old) == 0.875


async def test_who_holds_an_object_that_is_gone_is_told_so(there: Workspace) -> None:
    old = there.scorer()
    (there.folder / "fit.py").unlink()
    await there.plugins.refresh()
    assert there.plugins.catalog.get("scorer", "fit") is None
    with pytest.raises(PluginError, match=r"scorer.fit was taken out while it was used: plugins/fit.py"):
        await there.score(old)


@pytest.mark.parametrize("text", ["1 / 0", "", "def f(:", "x = 1"])
async def test_a_bad_edit_leaves_the_last_good_one_serving(there: Workspace, text: str) -> None:
    await there.edit(text=text)
    assert (there.info().state, there.info().supplies) == ("stale", ("scorer.fit",))
    assert there.info().error.startswith("plugins/fit.py")
    assert await there.score() == 0.5
    await there.edit(value=0.75)
    assert (there.info().state, there.info().error) == ("ready", "")
    assert await there.score() == 0.75


async def test_who_goes_on_after_a_bad_edit_is_not_started_again(there: Workspace) -> None:
    await there.edit(start="seen.append('started')")
    seen = sys.modules[there.scorer().plugin.module].seen
    await there.edit(text="1 / 0")
    await there.edit(start="1 / 0")
    assert there.info().state == "stale"
    assert seen == ["started"]


async def test_an_edit_is_seen_after_one_that_failed_in_whoever_depends_on_plugins(there: Workspace) -> None:
    async def fail() -> None:
        raise OSError("no such thing")

    there.plugins.changed = fail
    following = asyncio.create_task(there.plugins.follow())
    for value in (0.75, 0.875):
        there.write(value=value)
        await _until(lambda: there.scorer().value.score.__code__.co_consts[-1] == value)  # noqa: B023
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_an_edit_that_cannot_start_is_a_bad_edit(there: Workspace) -> None:
    await there.edit(start="1 / 0")
    assert there.info().state == "stale"
    assert "ZeroDivisionError" in there.info().error
    assert await there.score() == 0.5


async def test_a_file_that_was_never_good_is_loaded_when_it_is_mended(there: Workspace) -> None:
    await there.edit("more", "1 / 0")
    assert there.info("more").state == "failed"
    await there.edit("more", name="more")
    assert there.info("more").state == "ready"
    assert await there.score(there.scorer("more")) == 0.5


async def test_a_file_that_is_renamed_does_not_clash_with_its_old_self(there: Workspace) -> None:
    old = there.scorer()
    (there.folder / "fit.py").rename(there.folder / "fitter.py")
    await there.plugins.refresh()
    assert there.info("fitter").state == "ready"
    assert there.scorer().plugin.name == "fitter"
    assert await there.score(old) == 0.5


async def test_a_clash_names_both_owners_and_ends_with_the_other_file(there: Workspace) -> None:
    await there.edit("twin", value=0.25)
    assert there.info("twin").state == "failed"
    assert "its scorer fit is supplied by plugins/fit.py already" in there.info("twin").error
    (there.folder / "fit.py").unlink()
    await there.plugins.refresh()
    assert there.info("twin").state == "ready"
    assert await there.score() == 0.25


async def test_saving_the_same_text_again_changes_nothing(there: Workspace) -> None:
    before = there.plugins.catalog
    await there.edit()
    assert there.plugins.catalog is before


async def test_whoever_depends_on_plugins_is_told_of_a_change(there: Workspace) -> None:
    told: list[Any] = []

    async def changed() -> None:
        told.append(await there.score())

    there.plugins.changed = changed
    await there.edit(value=0.75)
    await there.edit(value=0.75)
    assert told == [0.75]


async def test_two_hundred_reloads_leave_one_module_and_no_growth(there: Workspace) -> None:
    first = weakref.ref(there.scorer().value)

    async def reload(times: int) -> int:
        for number in range(times):
            await there.edit(value=0.5 + (number + 1) / 1000)
        await _until(lambda: len(there.modules) == 1)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = await reload(20)
        after = await reload(200)
    finally:
        tracemalloc.stop()
    assert first() is None
    assert after - before < 256 * 1024
