"""The step `agent` in a run: what it streams, tells and counts, and what a stop in its middle repeats."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from runtime.records import RunStatus
from runtime.settings import McpServer, ModelAlias, TelemetrySettings

from .conftest import World

CLERK = '''"""A model that asks for what its prompt says, one call after the other, and the tools it calls."""

import asyncio
import json
from pathlib import Path

from pydantic import BaseModel

from hubbub import Delta, Hit, InvalidInput, ToolCall, Usage, hookimpl

HERE = Path(__file__).parent.parent


class Clerk:
    name = "clerk"

    async def stream(self, request, ctx):
        with (HERE / "asked").open("a") as asked:
            asked.write(f"{len(request.messages)}\\n")
        (HERE / "offered").write_text(json.dumps(
            {tool["name"]: [tool["description"], tool["parameters"]] for tool in request.tools}
        ))
        prompt = next(each["content"] for each in request.messages if each["role"] == "user")
        done = sum(each["role"] == "assistant" for each in request.messages)
        rounds = [line.split() for line in prompt.splitlines()]
        if done < len(rounds):
            yield Delta(text=f"Round {done + 1}. ")
            for index, word in enumerate(rounds[done]):
                name, _, value = word.partition("=")
                name, _, argument = name.partition(":")
                # The same id each time, as careless services do.
                yield Delta(tool_call=ToolCall(index, f"call{index}", name, ""))
                given = json.dumps({argument or "text": value})
                yield Delta(tool_call=ToolCall(index, arguments=given[:-2] if value == "half" else given))
            yield Delta(usage=Usage(10, 5), finish="tool_calls")
            return
        yield Delta(text="Told: " + ", ".join(
            each["content"] for each in request.messages if each["role"] == "tool"
        ))
        yield Delta(usage=Usage(20, 7), finish="stop")


class Shelf(BaseModel):
    shelf: str
    limit: int = 3


class Books:
    """Finds books."""

    name = "books"
    Params = Shelf

    async def search(self, query, k, ctx):
        source = {"path": ctx.params.shelf, "id": "b", "title": "Tides", "line": 1}
        return [Hit("b1", f"{query} {k} {ctx.params.shelf}", 0.5, source=source)]


class Words(BaseModel):
    text: str


class Pay:
    name = "pay"
    description = "Pay somebody."
    Args = Words

    async def run(self, args, ctx):
        with (HERE / "ledger").open("a") as ledger:
            ledger.write(f"{args.text} {ctx.idempotency_key}\\n")
        return {"paid": args.text}


class Wait:
    name = "wait"
    description = "Wait for a file."
    Args = Words

    async def run(self, args, ctx):
        (HERE / "waits").touch()
        while not (HERE / args.text).exists():
            await asyncio.sleep(0.005)
        return args.text


class Refuse:
    name = "refuse"
    description = "Refuse everything."
    Args = Words

    async def run(self, args, ctx):
        raise InvalidInput(f"{args.text} is not done; ask for something else.")


@hookimpl
def register_providers():
    return [Clerk()]


@hookimpl
def register_retrievers():
    return [Books()]


@hookimpl
def register_tools():
    return [Pay(), Wait(), Refuse()]
'''

HELP = """
graph  = "help"
start  = "work"
output = ["answer", "calls"]
limits = { max_steps = 12 }

[input]
question = "text"

[state]
answer   = "text?"
calls    = "int?"
messages = { type = "list", merge = "messages" }

[node.work]
use    = "agent"
model  = "clerk"
prompt = "{{ question }}"
tools  = ["tool.pay", "wait", "refuse"]
save   = { answer = "{{ result }}", calls = "{{ meta.tool_calls }}" }
next   = "end"
"""


@pytest.fixture
async def helped(world: World) -> World:
    """An engine with an agent."""
    (world.folder / "plugins" / "clerk.py").write_text(CLERK)
    world.write(help=HELP)
    await _again(world)
    return world


async def _again(world: World, **sections: Any) -> None:
    await world.engine.aclose()
    models = {"clerk": ModelAlias.model_validate({"use": ["clerk"]})}
    spans = TelemetrySettings(traces=world.folder / "spans.jsonl")
    await world.open(models=models, telemetry=spans, **sections)


def _asked(world: World) -> list[str]:
    return (world.folder / "asked").read_text().split()


async def _work(world: World, question: str) -> Any:
    return await world.ended(await world.start("help", input={"question": question}))


async def test_it_calls_its_tools_and_answers_with_what_they_gave(helped: World) -> None:
    run = await _work(helped, "pay=rent pay=gas\nrefuse=this")
    assert run.status is RunStatus.SUCCESS, run.error
    told = 'Told: {"paid":"rent"}, {"paid":"gas"}, this is not done; ask for something else'
    assert run.output == {"answer": told, "calls": 3}
    assert sorted(line.split()[0] for line in helped.ledger) == ["gas", "rent"]


async def test_its_words_calls_and_tools_are_told_to_who_watches(helped: World) -> None:
    await _work(helped, "pay=rent")
    events = await helped.events()
    blocks = [
        event.data["content"]
        for event in events
        if event.method == "messages" and event.data["event"] == "content-block-finish"
    ]
    assert [block["type"] for block in blocks] == ["text", "tool_call", "text"]
    assert (blocks[0]["text"], blocks[1]["name"], blocks[1]["args"]) == ("Round 1. ", "pay", {"text": "rent"})
    tools = [event.data for event in events if event.method == "tools"]
    assert [(each["event"], each["tool_call_id"]) for each in tools] == [
        ("tool-started", "call0"),
        ("tool-finished", "call0"),
    ]
    finished = [
        event.data["usage"]["input_tokens"]
        for event in events
        if event.method == "messages" and event.data["event"] == "message-finish"
    ]
    assert finished == [10, 20]
    used = [
        event.data["usage"] for event in events if event.method == "updates" and event.data["node"] == "work"
    ]
    assert used


async def test_a_call_whose_arguments_are_no_json_fails_and_is_not_taken_for_an_answer(helped: World) -> None:
    run = await _work(helped, "pay=rent pay=half")
    assert run.status is RunStatus.ERROR
    assert run.error
    assert run.error["code"] == "model_error"
    assert 'calls pay with arguments that are no JSON object ({"text": "half)' in run.error["message"]
    assert helped.ledger == []


async def test_what_it_pays_twice_on_purpose_has_two_keys(helped: World) -> None:
    await _work(helped, "pay=rent pay=rent\npay=rent")
    assert len(helped.ledger) == len(set(helped.ledger)) == 3


async def test_a_stop_in_its_middle_repeats_no_answer_and_no_call_that_is_done(helped: World) -> None:
    run = await helped.start("help", input={"question": "pay=rent\nwait=gate\npay=gas"})
    await helped.until((helped.folder / "waits").exists)
    await _again(helped)
    helped.open_gate("gate")
    ended = await helped.ended(run)
    assert ended.status is RunStatus.SUCCESS, ended.error
    assert [line.split()[0] for line in helped.ledger] == ["rent", "gas"]
    assert _asked(helped) == ["1", "3", "5", "7"]


async def test_each_answer_and_each_call_counts_as_a_step(helped: World) -> None:
    run = await _work(helped, "\n".join(["pay=rent"] * 9))
    assert run.status is RunStatus.ERROR
    assert run.error
    assert run.error["code"] == "limit_exceeded"
    assert "limits.max_steps" in run.error["message"]
    assert len(helped.ledger) == 5


async def test_its_models_and_tools_have_spans_under_its_own(helped: World) -> None:
    await _work(helped, "pay=rent")
    await helped.engine.telemetry.flush()
    lines = (helped.folder / "spans.jsonl").read_text().splitlines()
    spans = {span["span_id"]: span for span in map(json.loads, lines)}
    found = sorted(span["name"] for span in spans.values() if _above(span, spans) == "node work")
    assert found == ["chat clerk", "chat clerk", "execute_tool pay"]


def _above(span: Any, spans: Any) -> str:
    above = spans.get(span["parent_id"])
    return above["name"] if above else ""


# --------------------------------------------------------------------------- what it may use


def _with_tools(tools: str) -> str:
    return HELP.replace('["tool.pay", "wait", "refuse"]', tools)


async def test_what_the_file_sets_of_a_tool_its_model_neither_sees_nor_changes(helped: World) -> None:
    books = (
        '{ use = "retriever.books", shelf = "sea of {{ question | size }}", as = "books", about = "Look." }'
    )
    helped.write(help=_with_tools(f'[{books}, {{ use = "pay", text = "rent" }}, "retriever.books"]'))
    await _again(helped)
    run = await _work(helped, "books:query=tides pay=gas")
    assert run.status is RunStatus.SUCCESS, run.error
    assert run.output
    told = '[{"id":"b1","title":"Tides","text":"tides 5 sea of 25"}], {"paid":"rent"}'
    assert run.output["answer"] == f"Told: {told}"
    assert [line.split()[0] for line in helped.ledger] == ["rent"]
    offered = json.loads((helped.folder / "offered").read_text())
    assert set(offered) == {"books", "pay", "retriever_books"}
    assert offered["books"][0] == "Look."
    assert offered["retriever_books"][0] == "Finds books."
    assert {name: list(schema["properties"]) for name, (_, schema) in offered.items()} == {
        "books": ["query", "top_k"],
        "pay": [],
        "retriever_books": ["query", "top_k"],
    }


async def test_a_tool_of_an_mcp_server_is_one_of_an_agents(helped: World) -> None:
    helped.write(help=_with_tools('["tool.time_get_current_time"]'))
    server = McpServer(command=(sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"))
    await _again(helped, mcp={"time": server})
    await helped.until(lambda: helped.engine.catalog.get("tool", "time_get_current_time") is not None)
    await helped.until(lambda: not helped.engine.graphs.state("help").errors)
    run = await _work(helped, "time_get_current_time:timezone=Asia/Tokyo time_get_current_time:timezone=Moon")
    assert run.status is RunStatus.SUCCESS, run.error
    assert run.output
    answer = str(run.output["answer"])
    assert "+09:00" in answer, answer
    assert "time_get_current_time refuses that" in answer
