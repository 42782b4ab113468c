"""Runs of graphs written in Python: what they tell, what they give, and what is refused."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import InvalidInput, NotFound
from runtime.records import Run, RunStatus, UsageQuery
from runtime.runs.answers import Answer
from runtime.settings import GraphsSettings, TelemetrySettings
from runtime.types import Event, JsonObject

from .conftest import World, lifecycles

HI = {"messages": [{"role": "user", "content": "2 + 3?"}]}


@pytest.fixture
async def served(world: World, application: Path) -> World:
    """The engine with the graphs of the application beside those of the workspace."""
    await redeploy(world, application)
    return world


async def redeploy(world: World, application: Path) -> None:
    """Stop the engine, and open one that has imported the application anew."""
    await world.engine.aclose()
    await world.open(graphs=GraphsSettings(langgraph=application))


async def finish(world: World, graph: str, input: JsonObject | None, **more: Any) -> Run:
    """Run a graph to its end."""
    return await world.ended(await world.start(graph, input=input, **more))


async def told(world: World, thread: str = "t") -> list[Event]:
    """Return everything that was told of a thread, live events too."""
    channel = await world.engine.threads.channel("default", thread)
    return (await channel.read(0, 10_000)).events


def of(events: list[Event], method: str) -> list[JsonObject]:
    return [event.data for event in events if event.method == method]


def texts(events: list[Event]) -> dict[str, list[str]]:
    """Return the pieces of text of each message."""
    found: dict[str, list[str]] = {}
    for data in of(events, "messages"):
        if data["event"] == "content-block-delta" and data["delta"]["type"] == "text-delta":
            found.setdefault(data["message_id"], []).append(data["delta"]["text"])
    return found


# --------------------------------------------------------------------------- messages


async def test_tokens_come_one_by_one_under_the_id_that_the_state_has(served: World) -> None:
    run = await finish(served, "chat", HI)
    assert run.output is not None
    first, second = run.output["messages"][1:]
    assert texts(await told(served)) == {
        first["id"]: ["one ", "two ", "three "],
        second["id"]: ["four ", "five "],
    }
    assert (first["type"], first["content"]) == ("ai", "one two three ")


@pytest.mark.parametrize("graph", ["chat", "threaded"])
async def test_a_message_starts_deltas_follow_and_it_finishes_whole(served: World, graph: str) -> None:
    await finish(served, graph, HI)
    messages = of(await told(served), "messages")
    id = messages[0]["message_id"]
    first = [data for data in messages if data["message_id"] == id]
    assert [data["event"] for data in first] == [
        *("message-start", "content-block-start"),
        *["content-block-delta"] * 3,
        *("content-block-finish", "message-finish"),
    ]
    assert (first[0]["id"], first[0]["role"]) == (id, "ai")
    assert first[0]["metadata"]["langgraph_node"] in ("answer", "threaded")
    assert first[-2]["content"]["text"] == "".join(data["delta"]["text"] for data in first[2:5])


async def test_what_a_model_without_streaming_or_a_step_says_comes_as_a_whole(served: World) -> None:
    run = await finish(served, "fakes", HI)
    found = texts(await told(served))
    assert run.output is not None
    assert found["fixed"] == ["as it is"]
    assert {"".join(pieces).strip() for pieces in found.values()} == {"a fake answer", "as it is", "a b c"}


async def test_chunks_of_one_call_are_one_message_whatever_ids_they_have(served: World) -> None:
    await finish(served, "fakes", HI)
    assert ["a ", "b ", "c "] in texts(await told(served)).values()


async def test_a_message_that_broke_off_ends_before_the_step_is_tried_again(served: World) -> None:
    run = await finish(served, "retried", HI)
    assert run.status is RunStatus.SUCCESS
    messages = of(await told(served), "messages")
    broken = next(data for data in messages if data["event"] == "error")
    assert broken["code"] == "restarted"
    assert "the line went dead" in broken["message"]
    after = messages[messages.index(broken) + 1 :]
    assert broken["message_id"] not in {data["message_id"] for data in after}
    assert run.output is not None
    assert texts(await told(served))[run.output["messages"][-1]["id"]] == ["whole ", "this ", "time "]


async def test_thoughts_and_calls_have_blocks_of_their_own(served: World) -> None:
    await finish(served, "agent", HI)
    events = await told(served)
    blocks = [data["content"] for data in of(events, "messages") if data["event"] == "content-block-finish"]
    assert blocks == [
        {"type": "reasoning", "reasoning": "two and three"},
        {"type": "tool_call", "id": "call-1", "name": "add", "args": {"a": 2, "b": 3}},
        {"type": "text", "text": "It is 5 "},
    ]
    usage = [data["usage"]["total_tokens"] for data in of(events, "messages") if "usage" in data]
    assert usage == [7]


async def test_tools_tell_when_they_start_and_what_they_gave(served: World) -> None:
    await finish(served, "agent", HI)
    started, finished = of(await served.events(), "tools")
    assert started == {
        "event": "tool-started",
        "tool_call_id": "call-1",
        "tool_name": "add",
        "input": {"a": 2, "b": 3},
    }
    assert (finished["event"], finished["tool_call_id"]) == ("tool-finished", "call-1")
    assert (finished["output"]["type"], finished["output"]["content"]) == ("tool", "5")


# --------------------------------------------------------------------------- the other channels


async def test_a_graph_inside_tells_under_its_own_namespace(served: World) -> None:
    await finish(served, "team", HI)
    inner = [event for event in await told(served) if event.namespace]
    assert {event.namespace[0].partition(":")[0] for event in inner} == {"helper"}
    assert "".join(piece for pieces in texts(inner).values() for piece in pieces) == "It is 5 "
    assert {event.method for event in inner} >= {"messages", "tools", "values", "updates", "tasks"}


async def test_a_graph_inside_says_when_it_begins_and_ends(served: World) -> None:
    await finish(served, "team", HI)
    events = [event for event in await served.events() if event.method == "lifecycle"]
    inner = [(event.data["event"], event.data["graph_name"]) for event in events if event.namespace]
    assert inner == [("started", "calculator"), ("completed", "calculator")]
    assert [event.data["event"] for event in events][-1] == "completed"
    assert not events[-1].namespace


async def test_an_agent_that_a_tool_asks_names_the_call_that_asked(served: World) -> None:
    await finish(served, "boss", HI)
    events = [event for event in await served.events() if event.method == "lifecycle" and event.namespace]
    assert [(event.data["event"], event.data["graph_name"]) for event in events] == [
        ("started", "calculator"),
        ("completed", "calculator"),
    ]
    assert events[0].data["cause"] == {"type": "toolCall", "tool_call_id": "call-boss"}
    inner = [event for event in await told(served) if event.namespace]
    assert ["It ", "is ", "5 "] in texts(inner).values()


async def test_graphs_side_by_side_tell_apart(served: World) -> None:
    await finish(served, "many", {"items": [1, 2, 3]})
    inner = [event for event in await told(served) if event.namespace]
    spoken = {event.namespace for event in inner if event.method == "messages"}
    assert len(spoken) == 3
    assert sorted("".join(pieces) for pieces in texts(inner).values()) == ["item 1 ", "item 2 ", "item 3 "]
    lives = [(event.namespace, event.data["event"]) for event in inner if event.method == "lifecycle"]
    for namespace in spoken:
        assert [event for where, event in lives if where == namespace] == ["started", "completed"]


async def test_what_a_step_sends_is_a_custom_event(served: World) -> None:
    await finish(served, "team", HI, config={"context": {"name": "Ada"}})
    assert of(await served.events(), "custom") == [{"payload": {"hello": "Ada"}}]


async def test_tasks_are_live_and_checkpoints_durable(served: World) -> None:
    await finish(served, "double", {"number": 2})
    events = await told(served)
    tasks = of(events, "tasks")
    assert [(task["name"], "result" in task) for task in tasks] == [
        *(("double", False), ("twice", False)),
        *(("twice", True), ("double", True)),
    ]
    assert of(await served.events(), "tasks") == []
    first, last = of(await served.events(), "checkpoints")
    assert (first["source"], last["source"], last["parent_id"]) == ("input", "loop", first["id"])


async def test_every_step_has_a_span_in_the_runs_trace(
    world: World, application: Path, tmp_path: Path
) -> None:
    await world.engine.aclose()
    file = tmp_path / "spans.jsonl"
    await world.open(graphs=GraphsSettings(langgraph=application), telemetry=TelemetrySettings(traces=file))
    await finish(world, "team", HI)
    await finish(world, "failing", {"question": "way"}, thread="other")
    assert await world.engine.telemetry.flush()
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    runs = {span["name"]: span for span in spans if span["name"].startswith("invoke_workflow")}
    steps = [span["name"] for span in spans if span["parent_id"] == runs["invoke_workflow team"]["span_id"]]
    assert sorted(steps) == ["node greet", "node helper", "node model", "node model", "node tools"]
    (failed,) = [span for span in spans if span["name"] == "node fails"]
    assert failed["status"]["code"] == "error"
    names = {span["span_id"]: span["name"] for span in spans}
    called = [
        (span["name"], names[span["parent_id"]])
        for span in spans
        if span["name"].startswith(("chat ", "execute_tool "))
    ]
    assert sorted(called) == [
        ("chat Adder", "node model"),
        ("chat Adder", "node model"),
        ("execute_tool add", "node tools"),
    ]


async def test_what_the_models_of_its_steps_use_is_counted(world: World, application: Path) -> None:
    await world.engine.aclose()
    await world.open(graphs=GraphsSettings(langgraph=application))
    await finish(world, "team", HI)
    (row,) = await world.engine.views.usage(UsageQuery(group=("model",)))
    assert (row["model"], row["calls"], row["input_tokens"], row["output_tokens"]) == ("adder:Adder", 2, 3, 4)


# --------------------------------------------------------------------------- what runs are given and give


@pytest.mark.parametrize(
    ("graph", "input", "output"),
    [
        ("double", {"number": 21}, {"output": 42}),
        ("shout", {"input": "quiet"}, {"output": "QUIET"}),
        ("shouting", {"question": "quiet"}, {"found": "QUIET"}),
        ("leads", {"lead": {"email": "a@b.co"}}, {"found": [{"email": "a@b.co", "score": 0.5}]}),
    ],
)
async def test_inputs_and_outputs_are_objects(
    served: World, graph: str, input: JsonObject, output: JsonObject
) -> None:
    run = await finish(served, graph, input)
    assert run.error is None
    assert run.output is not None
    assert run.output | output == run.output


@pytest.mark.parametrize(
    ("graph", "input", "sentence"),
    [
        ("chat", {"messagse": []}, "did you mean messages"),
        ("chat", None, "needs messages"),
        ("leads", {"lead": {"score": 1}}, "lead.email"),
        ("shout", {"text": "x"}, "there is input"),
    ],
)
async def test_an_input_that_can_never_work_is_refused(
    served: World, graph: str, input: JsonObject | None, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        await served.start(graph, input=input)


@pytest.mark.parametrize(
    ("graph", "config", "sentence"),
    [
        ("team", {"context": {"nam": "Ada"}}, "context"),
        ("team", {"context": {"name": 1}}, r"context\.name"),
        ("team", {"configurable": {"__pregel_send": 1}}, "LangGraph's own"),
        ("endless", {"recursion_limit": 10_001}, "10000"),
        ("approve", {"configurable": {"who": "Ada"}}, "nothing that this graph reads"),
        ("approve", {"context": {"who": "Ada"}}, "no `context`"),
        ("approve", {"recursion_limit": 101}, "100"),
    ],
)
async def test_a_config_that_no_step_could_use_is_refused(
    served: World, graph: str, config: JsonObject, sentence: str
) -> None:
    input = {"topic": "x"} if graph == "approve" else {**HI, "question": "x"}
    with pytest.raises(InvalidInput, match=sentence):
        await served.start(graph, input=input, config=config)


async def test_a_run_may_ask_for_fewer_steps_than_the_graph_allows(served: World) -> None:
    run = await finish(served, "endless", {"question": "?"}, config={"recursion_limit": 5})
    assert run.error is not None
    assert run.error["code"] == "limit_exceeded"
    assert len(of(await served.events(), "updates")) == 5


async def test_configurable_and_context_reach_the_steps_by_either_name(served: World) -> None:
    for number, config in enumerate([{"configurable": {"name": "Ada"}}, {"context": {"name": "Ada"}}]):
        await finish(served, "team", HI, thread=f"t{number}", config=config)
        assert of(await served.events(f"t{number}"), "custom") == [{"payload": {"hello": "Ada"}}]


async def test_a_function_makes_the_graph_of_each_run_from_its_config(served: World) -> None:
    run = await finish(served, "made", {"question": "why"}, config={"configurable": {"who": "Ada"}})
    assert run.output == {"question": "why", "found": "why for Ada"}


async def test_what_a_function_holds_open_is_closed_with_the_run(served: World, application: Path) -> None:
    await finish(served, "held", {"question": "why"})
    ledger = (application.parent / "ledger").read_text().splitlines()
    assert ledger == ["open no thread", "close no thread", "open t", "close t"]


# --------------------------------------------------------------------------- failures


async def test_what_a_step_raises_is_a_failure_of_that_step(served: World) -> None:
    run = await finish(served, "failing", {"question": "way"})
    assert run.error is not None
    assert run.error["step"] == "fails"
    assert run.error["message"] == "The step fails failed: ValueError: no way."


async def test_a_state_that_is_no_json_is_refused_with_the_name_of_its_field(served: World) -> None:
    run = await finish(served, "odd", {"question": "?"})
    assert run.error is not None
    assert run.error["message"].startswith("The field thing of the state of odd holds a Odd;")


async def test_a_plain_function_that_sleeps_holds_nobody_up(served: World) -> None:
    runs = [await served.start("sleeping", f"t{number}", input={"question": "?"}) for number in range(8)]
    ended = asyncio.gather(*(served.ended(run) for run in runs))
    turns = 0
    while not ended.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert {run.status for run in await ended} == {RunStatus.SUCCESS}
    assert turns > 20  # a step that held up the loop would leave it one turn


# --------------------------------------------------------------------------- waiting, and other versions


async def waits(world: World) -> tuple[Run, str]:
    run = await finish(world, "ask", {"question": "go"})
    assert run.status is RunStatus.INTERRUPTED
    return run, run.waiting[0].id


async def test_a_question_is_asked_and_answered(served: World) -> None:
    run, id = await waits(served)
    assert run.waiting[0].value == {"may I": "go"}
    run = await served.ended(await served.engine.runs.respond("default", "t", Answer({id: "yes"})))
    assert run.output == {"question": "go", "found": "yes"}
    assert lifecycles(await served.events())[-1] == ("completed", "success")


async def test_other_text_is_no_reason_to_refuse_a_run_that_waits(served: World, application: Path) -> None:
    run, id = await waits(served)
    module = application.parent / "agents.py"
    module.write_text(module.read_text() + "\n# a remark\n")
    await redeploy(served, application)
    assert (await served.engine.graphs.get("ask")).version != run.version
    run = await served.ended(await served.engine.runs.respond("default", "t", Answer({id: "yes"})))
    assert run.output == {"question": "go", "found": "yes"}


async def test_another_shape_is_refused_aloud(served: World, application: Path) -> None:
    _, id = await waits(served)
    module = application.parent / "agents.py"
    text = module.read_text()
    module.write_text(text.replace("permission", "consent"))
    await redeploy(served, application)
    with pytest.raises(NotFound, match="another shape now"):
        await served.engine.runs.respond("default", "t", Answer({id: "yes"}))
    module.write_text(text)
    await redeploy(served, application)
    run = await served.ended(await served.engine.runs.respond("default", "t", Answer({id: "yes"})))
    assert run.output == {"question": "go", "found": "yes"}


async def test_a_run_that_was_cut_off_goes_on_in_the_next_process(served: World, application: Path) -> None:
    run = await served.start("sleeping", input={"question": "?"})
    await redeploy(served, application)
    run = await served.ended(run)
    assert run.output == {"question": "?", "found": "slept"}


async def test_steps_share_the_store_over_threads_and_restarts(served: World, application: Path) -> None:
    for number in (1, 2):
        run = await finish(served, "noting", {"question": "?"}, thread=f"t{number}")
        assert run.output == {"question": "?", "found": "." * number}
    await redeploy(served, application)
    run = await finish(served, "noting", {"question": "?"}, thread="t3")
    assert run.output == {"question": "?", "found": "..."}


async def test_a_graph_inside_that_remembers_finds_what_it_left(served: World) -> None:
    """`checkpointer=True` of a subgraph means ours, too."""
    for count in (1, 2, 3):
        run = await finish(served, "remembering", {"question": "?"})
        assert run.output == {"question": "?", "found": "." * count}


async def test_the_state_of_a_thread_is_read_after_a_restart(served: World, application: Path) -> None:
    await finish(served, "leads", {"lead": {"email": "a@b.co"}})
    await redeploy(served, application)
    state = await served.engine.threads.state("default", "t")
    assert state.values["found"] == [{"email": "a@b.co", "score": 0.5}]


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    """Forget what the application's import left."""
    yield
    for name in [name for name in sys.modules if name.startswith("langgraph_app__")]:
        del sys.modules[name]
