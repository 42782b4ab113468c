"""MCP servers as tools: a third party's, one that dies, one that is not there, and another hub's graphs."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.config import load_settings
from runtime.errors import ConfigError, InvalidInput, PluginError
from runtime.extensions.mcp_servers import load_all
from runtime.extensions.mcp_tools import MOST, tools_of
from runtime.records import RunStatus
from runtime.settings import McpServer, Settings
from tests.runtime.runs.conftest import World

TIME = McpServer(command=(sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"))
MORTAL = '''
"""A server that dies when it is told to."""

import os
from pathlib import Path

from mcp.server.mcpserver import MCPServer

server = MCPServer("mortal")
print("started", file=Path("starts").open("a"))


@server.tool()
def die() -> str:
    """End at once."""
    os._exit(3)


@server.tool()
def whisper() -> str:
    """Tell a variable of the environment."""
    return os.environ["WORD"]


server.run("stdio")
'''
OWN = """
from pydantic import BaseModel

from hubbub import hookimpl


class Tool:
    name, description, Args = "mortal_die", "Lives.", BaseModel

    async def run(self, args, ctx):
        return "alive"


@hookimpl
def register_tools():
    return [Tool()]
"""
NOON = """
graph  = "noon"
start  = "convert"
output = ["told"]

[input]
zone = "text"

[state]
told = "any?"

[node.convert]
use             = "tool.time_convert_time"
source_timezone = "UTC"
time            = "12:00"
{argument} = "{{{{ zone }}}}"
save            = "told"
next            = "end"
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A workspace that is not opened yet."""
    made = World(tmp_path)
    yield made
    if hasattr(made, "engine"):
        await made.engine.aclose()


def mortal(folder: Path, **more: Any) -> McpServer:
    """Write the server that dies."""
    (folder / "mortal.py").write_text(textwrap.dedent(MORTAL))
    return McpServer(command=(sys.executable, "mortal.py"), **more)


async def opened(world: World, **sections: Any) -> None:
    """Open the engine, and wait until every server has answered, or has not."""
    await world.open(**sections)
    waiting = [name for name in sections["mcp"] if row(world, f"mcp_{name}")["state"] == "failed"]
    await world.until(lambda: not any("wait a moment" in row(world, f"mcp_{n}")["error"] for n in waiting))


async def called(world: World, name: str, **arguments: Any) -> Any:
    """Call a tool as a step does, behind its guard."""
    from runtime.extensions import guard

    found = world.engine.catalog.get("tool", name)
    assert found is not None
    loop = asyncio.get_running_loop()
    args, ctx = found.value.Args(**arguments), SimpleNamespace(tenant="t")
    return await guard.call(found, "run", args, ctx, deadline=loop.time() + 20)


def row(world: World, name: str) -> Any:
    """Return what is listed of a server."""
    return next(plugin.row for plugin in world.engine.catalog.plugins if plugin.name == name)


async def test_a_server_of_others_is_a_tool_in_a_graph_file(world: World) -> None:
    world.write(noon=NOON.format(argument="target_timezone"))
    await opened(world, mcp={"time": TIME})
    assert row(world, "mcp_time")["state"] == "ready"
    assert set(row(world, "mcp_time")["supplies"]) == {"tool.time_get_current_time", "tool.time_convert_time"}
    run = await world.ended(await world.start("noon", input={"zone": "Asia/Tokyo"}))
    assert run.status is RunStatus.SUCCESS, run.error
    assert "21:00" in str(run.output)
    failed = await world.ended(await world.start("noon", input={"zone": "Nowhere"}))
    assert failed.error is not None
    assert "time_convert_time refuses that" in failed.error["message"]


async def test_the_check_knows_the_arguments_of_a_server_that_answered(world: World) -> None:
    world.write(noon=NOON.format(argument="target_timezon"))
    await opened(world, mcp={"time": TIME})
    await world.until(lambda: "target_timezon" in str(world.engine.graphs.state("noon").errors))


async def test_verbs_without_a_hub_ask_the_servers_once(tmp_path: Path) -> None:
    catalog = load_all(Settings(workspace=tmp_path, mcp={"time": TIME}))
    assert catalog.get("tool", "time_get_current_time") is not None


async def test_a_server_that_is_not_there_is_one_sentence_and_the_hub_starts(world: World) -> None:
    gone = {
        "gone": McpServer(command=("no-such-program",)),
        "far": McpServer(url="http://127.0.0.1:1/mcp"),
    }
    await opened(world, mcp=gone)
    assert row(world, "mcp_gone")["state"] == row(world, "mcp_far")["state"] == "failed"
    assert "no program no-such-program" in row(world, "mcp_gone")["error"]
    assert "[mcp.far]" in row(world, "mcp_far")["error"]
    assert "mcp_gone (failed)" in (await world.engine.health())["plugins"].detail


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('no JSON')", "it has ended"),
        ("import time; time.sleep(60)", "it did not answer in time"),
    ],
)
async def test_a_server_that_says_nonsense_or_nothing_is_one_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setattr("runtime.extensions.mcp_line.CONNECT", 0.5)
    await opened(world, mcp={"odd": McpServer(command=(sys.executable, "-c", program))})
    await world.until(lambda: words in row(world, "mcp_odd")["error"])
    assert row(world, "mcp_odd")["state"] == "failed"


async def test_a_secret_that_is_missing_is_named(world: World) -> None:
    await opened(world, mcp={"mortal": mortal(world.folder, env={"WORD": "secret:NOT_SET_ANYWHERE"})})
    assert "NOT_SET_ANYWHERE" in row(world, "mcp_mortal")["error"]


async def test_a_server_that_dies_fails_one_call_and_is_started_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.extensions.mcp_servers.FIRST_WAIT", 0.01)
    monkeypatch.setenv("A_WORD", "hush-hush")
    await opened(world, mcp={"mortal": mortal(world.folder, env={"WORD": "secret:A_WORD"})})
    assert "hush-hush" in str(await called(world, "mortal_whisper"))
    with pytest.raises(PluginError, match="mcp_mortal gave no answer"):
        await called(world, "mortal_die")
    starts = world.folder / "starts"
    await world.until(lambda: len(starts.read_text().splitlines()) == 2)
    await world.until(lambda: row(world, "mcp_mortal")["state"] == "ready")
    assert "hush-hush" in str(await called(world, "mortal_whisper"))


async def test_calls_say_that_a_server_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.extensions.mcp_servers.FIRST_WAIT", 3600)
    await opened(world, mcp={"mortal": mortal(world.folder)})
    with pytest.raises(PluginError):
        await called(world, "mortal_die")
    await world.until(lambda: row(world, "mcp_mortal")["state"] == "failed")
    with pytest.raises(PluginError, match=r"cannot be called: it is not there \(it has ended\)"):
        await called(world, "mortal_die")


async def test_a_disabled_server_is_listed_and_not_started(world: World) -> None:
    await opened(
        world,
        mcp={"mortal": mortal(world.folder)},
        plugins={"folder": world.folder / "plugins", "disabled": ("mcp_mortal",)},
    )
    assert row(world, "mcp_mortal")["state"] == "disabled"
    assert not (world.folder / "starts").exists()


async def test_a_name_belongs_to_the_plugin_that_has_it(world: World) -> None:
    (world.folder / "plugins" / "own.py").write_text(OWN)
    await opened(world, mcp={"mortal": mortal(world.folder)})
    found = world.engine.catalog.get("tool", "mortal_die")
    assert found is not None
    assert found.plugin.name == "own"
    assert "mortal_die is left out, for plugins/own.py supplies one" in row(world, "mcp_mortal")["error"]
    assert row(world, "mcp_mortal")["state"] == "ready"


def listed(name: str, **schema: Any) -> Any:
    """Make a tool as a server lists it."""
    return SimpleNamespace(name=name, title=None, description=None, input_schema=schema)


async def nothing(tool: str, arguments: dict[str, Any]) -> Any:
    """Answer nothing."""
    return SimpleNamespace(is_error=True, structured_content=None, content=[])


def test_names_are_made_fit_and_what_cannot_be_taken_is_said() -> None:
    tools, odd = tools_of(
        "s", [listed("a.b"), listed("a/b"), listed("x" * 70), listed("c", properties=3)], nothing
    )
    assert [tool.name for tool in tools] == ["s_a_b"]
    assert ["twice" in odd[0], "too long" in odd[1], "nobody understands" in odd[2]] == [True] * 3


def test_a_server_cannot_flood_the_hub_with_tools() -> None:
    tools, odd = tools_of("s", (listed(f"t{number}") for number in range(10 * MOST)), nothing)
    assert (len(tools), len(odd)) == (MOST, 1)


async def test_arguments_of_any_name_are_taken_and_only_what_was_given_is_sent() -> None:
    sent: list[Any] = []

    async def call(tool: str, arguments: dict[str, Any]) -> Any:
        sent.append((tool, arguments))
        return SimpleNamespace(is_error=False, structured_content={"ok": True}, content=[])

    schema = {"properties": {"_x-y": {"type": "integer"}, "schema": {"type": "string"}}, "required": ["_x-y"]}
    (tool,), _ = tools_of("s", [listed("t", **schema)], call)
    context: Any = None
    assert await tool.run(tool.Args.model_validate({"_x-y": 3}), context) == {"ok": True}
    assert sent == [("t", {"_x-y": 3})]
    with pytest.raises(ValueError, match="more"):
        tool.Args.model_validate({"_x-y": 3, "more": 1})


async def test_a_refusal_is_an_error_that_no_other_try_mends() -> None:
    (tool,), _ = tools_of("s", [listed("t")], nothing)
    context: Any = None
    with pytest.raises(InvalidInput, match="s_t refuses that"):
        await tool.run(tool.Args(), context)


@pytest.mark.parametrize(
    "text",
    [
        '[mcp.a]\ncommand = ["x"]\nurl = "https://example.com"',
        "[mcp.a]",
        '[mcp.a]\nurl = "ftp://example.com"',
    ],
)
def test_a_table_names_a_program_or_an_address(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"\[mcp\] a"):
        load_settings(tmp_path)
