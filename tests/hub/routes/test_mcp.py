"""`/mcp`, as the official client of the protocol uses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from runtime.settings import McpServer
from tests.hub.conftest import RealHub

RELAY = """
graph  = "relay"
start  = "ask"
output = ["told"]

[input]
words = "text"

[state]
told = "any?"

[node.ask]
use  = "tool.other_echo"
text = "{{ words }}"
save = "told"
next = "end"
"""
MODES = ("legacy", "auto")
"""With a handshake, and without one where the server can do without."""


@asynccontextmanager
async def tools_of(hub: Any, mode: str = "auto", key: str = "") -> AsyncIterator[Client]:
    """Connect the official client."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(f"{hub.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


def texts(result: Any) -> list[str]:
    """Return the texts of a result."""
    return [block.text for block in result.content]


async def send(hub: Any, method: str, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, Any]:
    """Send one request by hand."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, **more}
    found: tuple[int, Any] = await hub.ask("POST", "/mcp", body, headers=headers or {})
    return found


@pytest.mark.parametrize("mode", MODES)
async def test_every_graph_is_a_tool_with_its_description_and_input(real: Any, mode: str) -> None:
    async with tools_of(real, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert client.server_info is not None
        assert client.server_info.name == "hubbub"
    assert {"approve", "gate"} <= set(tools)
    assert tools["approve"].input_schema["properties"]["topic"]["type"] == "string"
    assert tools["approve"].input_schema["required"] == ["topic"]
    assert tools["approve"].description


async def test_a_graph_with_mistakes_is_no_tool(real: Any) -> None:
    real.world.write(broken='graph = "broken"\nstart = "nowhere"\n')
    async with tools_of(real) as client:
        assert "broken" not in {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_is_a_run_and_its_output_comes_back_for_programs_and_as_text(
    hub: Any, mode: str
) -> None:
    async with tools_of(hub, mode) as client:
        result = await client.call_tool("echo", {"text": "a b"})
    assert (result.is_error, result.structured_content) == (False, {"answer": "a b"})
    assert [json.loads(text) for text in texts(result)] == [{"answer": "a b"}]
    assert result.meta is not None
    run, thread = result.meta["hubbub/run"], result.meta["hubbub/thread"]
    status, found = await hub.ask("GET", f"/threads/{thread}/runs/{run}")
    assert (status, found["status"]) == (200, "success")


@pytest.mark.parametrize(
    ("graph", "arguments", "words"),
    [
        ("echo", {}, "echo needs the text `text`; send it in the input."),
        ("fail", {"text": "a"}, "No model answered; try later."),
        ("late", {"text": "a"}, "It took too long."),
    ],
)
async def test_what_fails_is_told_to_the_model_in_a_sentence(
    hub: Any, graph: str, arguments: Any, words: str
) -> None:
    async with tools_of(hub) as client:
        result = await client.call_tool(graph, arguments)
    assert (result.is_error, texts(result)) == (True, [words])


@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_that_is_not_there_is_refused_in_a_sentence(hub: Any, mode: str) -> None:
    async with tools_of(hub, mode) as client:
        with pytest.raises(MCPError, match="There is no graph nope"):
            await client.call_tool("nope", {})


async def test_a_run_that_waits_for_a_person_says_for_what_and_where_it_is_answered(real: Any) -> None:
    async with tools_of(real) as client:
        result = await client.call_tool("approve", {"topic": "piers"})
    assert not result.is_error
    found = result.structured_content
    assert "waits for a person" in texts(result)[0]
    assert found["thread"] in texts(result)[0]
    (asked,) = found["waiting"]
    answer = {
        "assistant_id": "approve",
        "command": {"resume": {asked["id"]: {"choice": "reject", "note": ""}}},
    }
    status, values = await real.ask("POST", f"/threads/{found['thread']}/runs/wait", answer)
    assert (status, values["decision"]["choice"]) == (200, "reject")


async def test_a_long_call_shows_signs_of_life_and_then_its_answer(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.routes.mcp.HEARTBEAT", 0.01)
    headers = {"Accept": "application/json, text/event-stream"}
    params = {"name": "wait", "arguments": {"text": "a"}}
    body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    async with hub.client.post("/mcp", json=body, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b": heartbeat\n"
        hub.engine.worker.release.set()
        data = [line for line in (await answer.text()).splitlines() if line.startswith("data: ")]
    told = json.loads(data[0].removeprefix("data: "))
    assert (len(data), told["id"], told["result"]["structuredContent"]) == (1, 7, {"answer": "a"})


async def test_the_official_client_reads_a_long_call(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.routes.mcp.HEARTBEAT", 0.01)
    async with tools_of(hub) as client:
        asking = asyncio.create_task(client.call_tool("wait", {"text": "a"}))
        await asyncio.sleep(0.05)
        hub.engine.worker.release.set()
        assert (await asking).structured_content == {"answer": "a"}


async def test_a_stranger_is_told_nothing_and_tenants_are_kept_apart(guarded: Any) -> None:
    status, _ = await send(guarded, "tools/list")
    assert status == 401
    keys = {}
    for tenant in ("blue", "red"):
        body = {"name": tenant, "tenant": tenant}
        _, made = await guarded.ask("POST", "/admin/keys", body, headers=guarded.owner)
        keys[tenant] = made["key"]
    async with tools_of(guarded, key=keys["blue"]) as client:
        result = await client.call_tool("echo", {"text": "a"})
    assert result.meta is not None
    path = f"/threads/{result.meta['hubbub/thread']}"
    for tenant, expected in (("blue", 200), ("red", 404)):
        headers = {"Authorization": f"Bearer {keys[tenant]}"}
        assert (await guarded.ask("GET", path, headers=headers))[0] == expected


async def test_notifications_are_taken_and_there_is_no_stream_to_open(hub: Any) -> None:
    body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert await hub.ask("POST", "/mcp", body) == (202, None)
    assert (await hub.ask("GET", "/mcp"))[0] == 405


@pytest.mark.parametrize(
    ("headers", "method", "more", "status", "number"),
    [
        ({}, "resources/list", {}, 200, -32601),
        ({}, "tools/call", {}, 200, -32602),
        ({}, "tools/call", {"params": {"name": "echo", "arguments": [1]}}, 200, -32602),
        ({}, "tools/list", {"jsonrpc": "1.0"}, 200, -32600),
        ({}, "tools/list", {"params": [1]}, 200, -32600),
        ({}, "tools/list", {"id": True}, 200, -32600),
        ({"MCP-Protocol-Version": "1999-01-01"}, "tools/list", {}, 400, -32022),
        ({"MCP-Protocol-Version": "2026-07-28"}, "tools/list", {}, 400, -32020),
    ],
)
async def test_what_is_no_request_of_the_protocol_has_its_number_and_a_sentence(
    hub: Any, headers: dict[str, str], method: str, more: Any, status: int, number: int
) -> None:
    found, answer = await send(hub, method, headers, **more)
    assert (found, answer["error"]["code"]) == (status, number)
    assert answer["error"]["message"].endswith(".")


async def test_headers_that_say_something_else_than_the_body_are_refused(hub: Any) -> None:
    version = "2026-07-28"
    params = {"name": "echo", "_meta": {"io.modelcontextprotocol/protocolVersion": version}}
    headers = {"MCP-Protocol-Version": version, "Mcp-Method": "tools/call", "Mcp-Name": "fail"}
    status, answer = await send(hub, "tools/call", headers, params=params)
    assert (status, answer["error"]["code"]) == (400, -32020)
    assert "Mcp-Name" in answer["error"]["message"]


async def test_the_graphs_of_one_hub_are_tools_of_another(
    guarded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made = await guarded.ask("POST", "/admin/keys", {"name": "a", "tenant": "red"}, headers=guarded.owner)
    monkeypatch.setenv("OTHER_KEY", made["key"])
    other = McpServer(url=f"{guarded.url}/mcp", headers={"Authorization": "Bearer secret:OTHER_KEY"})
    (tmp_path / "other").mkdir()
    hub = RealHub(tmp_path / "other")
    hub.world.write(relay=RELAY)
    await hub.serve(mcp={"other": other})
    try:
        assert await hub.ask("POST", "/graphs/relay", {"words": "a b"}) == (200, {"told": {"answer": "a b"}})
        _, health = await hub.ask("GET", "/healthz")
        assert "tool.other_echo" in health["checks"]["plugin:mcp_other"][0]["output"]
    finally:
        await hub.stop()
    threads = await guarded.ask(
        "POST", "/threads/search", {}, headers={"Authorization": f"Bearer {made['key']}"}
    )
    assert len(threads[1]) == 1
