"""Each hostile plugin harms only the calls made to it: over a running hub, healthy calls go on beside it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.extensions import deadline, guard, live
from runtime.settings import ModelAlias, ModelCandidate, PluginBreaker, PluginHost, PluginsSettings
from tests.hub.conftest import RealHub

HOSTILE = Path(__file__).parent / "hostile"
HEALTHY = '''"""A step that does its work."""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl


class Healthy:
    name = "healthy"

    class Params(BaseModel):
        word: str

    async def run(self, state, params, ctx):
        await asyncio.sleep(0.001)
        return {"said": params.word.upper()}


@hookimpl
def register_steps():
    return [Healthy()]
'''
GRAPH = """
graph  = "{name}"
start  = "only"
output = ["said"]

[input]
word = "text"

[state]
said = "any?"

[node.only]
{does}
next = "end"
"""


APART = {
    "crashes": r"ended (killed by SIGSEGV)",
    "exits": r"ended (exit code 3)",
    "eats": r"MemoryError",
    "loops": r"gave no answer within 3 s",
}
"""Those that would take the hub with them, and what is said of a call."""


def _graph(name: str, does: str = "") -> str:
    return GRAPH.format(name=name, does=does or f'use  = "step.{name}"')


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RealHub]:
    """A hub with every hostile plugin and a healthy one; deadlines are short."""
    monkeypatch.setattr(deadline.Deadline.__init__, "__kwdefaults__", {"grace": 0.05})
    monkeypatch.setattr(live, "SWEEP", 0.05)
    monkeypatch.setattr(guard, "MOST_PIECES", 5_000)
    hub = RealHub(tmp_path)
    names = [path.stem for path in HOSTILE.glob("*.py")]
    for name in names:
        shutil.copy(HOSTILE / f"{name}.py", tmp_path / "plugins")
    (tmp_path / "plugins" / "healthy.py").write_text(HEALTHY)
    steps = {name: _graph(name) for name in names if name not in ("raises", "yields")}
    said = 'use = "llm"\nmodel = "endless"\nprompt = "{{ word }}"\nsave = "said"'
    hub.world.write(
        **steps,
        healthy=_graph("healthy", 'use  = "step.healthy"\nword = "{{ word }}"'),
        yields=_graph("yields", said),
    )
    bounds = PluginHost(deadline=0.2, breaker=PluginBreaker(failures=3, rest=60.0))
    apart = PluginHost(run="process", deadline=3.0, memory=256 * 1024 * 1024)
    await hub.serve(
        plugins=PluginsSettings(hosts={name: apart if name in APART else bounds for name in names}),
        models={"endless": ModelAlias(use=(ModelCandidate(model="yields"),))},
    )
    yield hub
    (tmp_path / "plugins" / "let-go").touch()
    await hub.stop()


async def _call(hub: RealHub, graph: str) -> tuple[int, Any]:
    return await hub.ask("POST", f"/graphs/{graph}", {"word": "well"})


async def _healthy(hub: RealHub) -> None:
    assert await _call(hub, "healthy") == (200, {"said": "WELL"})


async def _state(hub: RealHub, name: str) -> tuple[str, str]:
    info = next(each for each in hub.world.engine.catalog.plugins if each.name == name)
    return info.state, info.error


REFUSED = {
    "leaves": r"it called sys.exit",
    "recurses": r"it calls itself without end",
    "stops": r"Stop: enough",
    "babbles": r"gave what is not JSON",
    "hangs": r"gave no answer within 0.2 s",
    "deaf": r"gave no answer within 0.2 s",
    "spins": r"gave no answer within 0.2 s",
}


@pytest.mark.parametrize(("name", "words"), REFUSED.items(), ids=REFUSED)
async def test_a_hostile_call_fails_with_the_plugins_name_and_healthy_ones_go_on(
    hub: RealHub, name: str, words: str
) -> None:
    hostile = asyncio.gather(*(_call(hub, name) for _ in range(3)))
    for _ in range(10):
        await _healthy(hub)
    for status, answer in await hostile:
        assert status == 500
        assert words in answer["error"]["message"]
        assert name in answer["error"]["message"]
    await _healthy(hub)


@pytest.mark.parametrize(("name", "words"), APART.items(), ids=APART)
async def test_one_with_a_process_of_its_own_ends_no_more_than_that(
    hub: RealHub, name: str, words: str
) -> None:
    hostile = asyncio.create_task(_call(hub, name))
    for _ in range(10):
        await _healthy(hub)
    status, answer = await hostile
    assert status == 500
    assert words in answer["error"]["message"]
    await _healthy(hub)


async def test_one_that_fails_again_and_again_is_left_alone(hub: RealHub) -> None:
    for _ in range(3):
        await _call(hub, "stops")
    _, answer = await _call(hub, "stops")
    assert "is left alone for another" in answer["error"]["message"]
    assert (await _state(hub, "stops"))[0] == "resting"
    _, health = await hub.ask("GET", "/healthz")
    (check,) = health["checks"]["plugin:stops"]
    assert check["status"] == "warn"
    assert check["output"].startswith("resting: ")
    await _healthy(hub)


async def test_one_that_cancels_its_task_ends_its_own_run_alone(hub: RealHub) -> None:
    status, _ = await _call(hub, "cancels")
    assert status >= 400
    await _healthy(hub)


async def test_one_that_changes_what_it_was_given_changes_nothing_else(hub: RealHub) -> None:
    assert (await _call(hub, "mutates"))[0] == 200
    await _healthy(hub)


async def test_one_that_yields_without_end_is_stopped(hub: RealHub) -> None:
    hostile = asyncio.create_task(_call(hub, "yields"))
    for _ in range(5):
        await _healthy(hub)
    status, answer = await hostile
    assert status == 502
    assert "provider.yields" in answer["error"]["message"]


async def test_tasks_that_a_call_leaves_behind_are_cancelled_and_named(
    hub: RealHub, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert (await _call(hub, "leaks"))[0] == 200
        await hub.world.until(lambda: _left() == 0)
        await hub.world.until(lambda: "plugin left tasks behind" in caplog.text)
    (told,) = [record for record in caplog.records if "left tasks behind" in record.getMessage()]
    assert "leaks" in str(vars(told))
    await _healthy(hub)


def _left() -> int:
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return sum("Hostile.stay" in getattr(each, "__qualname__", "") for each in coroutines)


async def test_one_that_holds_up_the_loop_is_named_with_its_line_and_rests(hub: RealHub) -> None:
    host = _host(hub, "blocks")
    released = asyncio.create_task(
        asyncio.to_thread(_let_go_once, lambda: bool(host.resting), hub.world.folder)
    )
    await asyncio.sleep(0.01)
    assert (await _call(hub, "blocks"))[0] == 200
    await released
    line = (HOSTILE / "blocks.py").read_text().splitlines().index("            time.sleep(0.001)") + 1
    state, error = await _state(hub, "blocks")
    assert state == "resting"
    assert any(f"it holds up the hub at plugins/blocks.py:{each}," in error for each in (line - 1, line))
    _, answer = await _call(hub, "blocks")
    assert "is left alone for another" in answer["error"]["message"]
    await _healthy(hub)


def _host(hub: RealHub, name: str) -> Any:
    found = hub.world.engine.catalog.get("step", name)
    assert found is not None
    return found.host


def _let_go_once(condition: Any, folder: Path) -> None:
    """Let the plugin go when it was noticed; runs in a thread, because the loop stands still."""
    for _ in range(20_000):
        if condition():
            break
        time.sleep(0.001)
    (folder / "plugins" / "let-go").touch()


async def test_one_that_cannot_even_be_imported_is_listed_and_the_hub_serves(hub: RealHub) -> None:
    state, error = await _state(hub, "raises")
    assert (state, error) == ("failed", "plugins/raises.py:11: Odd; mend that line")
    await _healthy(hub)


async def test_an_edit_over_a_running_hub_is_live_and_a_bad_one_is_said(hub: RealHub) -> None:
    file = hub.world.folder / "plugins" / "healthy.py"
    file.write_text(HEALTHY.replace("upper()", "title()"))
    async with asyncio.timeout(20):
        while (await _call(hub, "healthy")) != (200, {"said": "Well"}):
            await asyncio.sleep(0.01)
    file.write_text("def broken(:")
    async with asyncio.timeout(20):
        while (await _state(hub, "healthy"))[0] != "stale":
            await asyncio.sleep(0.01)
    assert await _call(hub, "healthy") == (200, {"said": "Well"})
    _, health = await hub.ask("GET", "/healthz")
    assert health["checks"]["plugin:healthy"][0]["output"].startswith(
        "stale: plugins/healthy.py:1: SyntaxError"
    )


PYTHON_GRAPH = """
from typing import TypedDict
from langgraph.graph import START, StateGraph
from hubbub import hookimpl

class State(TypedDict):
    word: str

async def say(state: State): return {"word": state["word"].WAY()}

@hookimpl
def register_graphs():
    builder = StateGraph(State)
    builder.add_node(say)
    builder.add_edge(START, "say")
    return {"NAME": builder}
"""


async def test_a_graph_written_in_python_comes_changes_and_goes_with_its_file(hub: RealHub) -> None:
    file = hub.world.folder / "plugins" / "speaker.py"

    async def until(graph: str, wanted: tuple[int, Any]) -> None:
        async with asyncio.timeout(20):
            while await _call(hub, graph) != wanted:
                await asyncio.sleep(0.01)

    file.write_text(PYTHON_GRAPH.replace("NAME", "speak").replace("WAY", "upper"))
    await until("speak", (200, {"word": "WELL"}))
    file.write_text(PYTHON_GRAPH.replace("NAME", "speak").replace("WAY", "title"))
    await until("speak", (200, {"word": "Well"}))
    file.write_text(PYTHON_GRAPH.replace("NAME", "spoken").replace("WAY", "title"))
    await until("spoken", (200, {"word": "Well"}))
    assert (await _call(hub, "speak"))[0] == 404
    file.unlink()
    async with asyncio.timeout(20):
        while (await _call(hub, "spoken"))[0] != 404:
            await asyncio.sleep(0.01)
