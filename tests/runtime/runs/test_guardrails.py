"""The guardrails of every run: what it is given, and what its models say, passes them first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import CannotStart
from runtime.records import RunStatus
from runtime.settings import GuardrailsSettings

PLUGIN = """
from pathlib import Path
from hubbub import Delta, Verdict, hookimpl

class Echo:
    name = "echo"
    async def stream(self, request, ctx):
        said = request.messages[-1]["content"]
        with (Path(__file__).parents[1] / "asked").open("a") as file:
            file.write(said + "\\n")
        for word in said.split():
            yield Delta(text=word + " ")
        yield Delta(finish="stop")

class Rule:
    def __init__(self, name, stage, word):
        self.name, self.stage, self.word = name, stage, word
    async def check(self, text, ctx):
        if "forbidden" + self.word in text:
            return Verdict("block", reason="It is forbidden.")
        return Verdict("rewrite", text.replace(self.word, "[gone]")) if self.word in text else Verdict()

@hookimpl
def register_providers():
    return [Echo()]

@hookimpl
def register_guardrails():
    return [Rule("first", "input", "alpha"), Rule("last", "output", "omega")]
"""
SAY = """
graph  = "say"
about  = "Says it again"
start  = "ask"
output = ["answer"]

[input]
question = "text"
messages = { type = "list", merge = "messages", default = [] }

[state]
answer = "text?"

[node.ask]
use    = "llm"
model  = "writer"
prompt = "{{ question }}"
save   = "answer"
next   = "end"
"""
PYTHON = """
from langgraph.graph import START, MessagesState, StateGraph
from hubbub import hookimpl

async def answer(state: MessagesState):
    return {"messages": [("ai", f"omega {state['messages'][-1].content}")]}

@hookimpl
def register_graphs():
    builder = StateGraph(MessagesState)
    builder.add_node(answer)
    builder.add_edge(START, "answer")
    return {"python": builder}
"""


@pytest.fixture
async def guarded(world: Any) -> Any:
    """An engine with both guardrails, whose model says what it is asked."""
    await world.engine.aclose()
    (world.folder / "plugins" / "rules.py").write_text(PLUGIN)
    (world.folder / "plugins" / "python.py").write_text(PYTHON)
    world.write(say=SAY.replace('messages = { type = "list", merge = "messages", default = [] }\n', ""))
    guardrails = GuardrailsSettings(input=("first",), output=("last",))
    await world.open(guardrails=guardrails, models={"writer": {"use": ["echo"]}})
    return world


def asked(folder: Path) -> list[str]:
    file = folder / "asked"
    return file.read_text().splitlines() if file.exists() else []


async def test_what_a_run_is_given_is_rewritten_before_its_first_step(guarded: Any) -> None:
    run = await guarded.ended(await guarded.start("say", input={"question": "alpha owls"}))
    assert (run.status, run.output) == (RunStatus.SUCCESS, {"answer": "[gone] owls "})
    assert asked(guarded.folder) == ["[gone] owls"]


async def test_what_is_blocked_ends_the_run_and_no_model_is_asked(guarded: Any) -> None:
    run = await guarded.ended(await guarded.start("say", input={"question": "forbiddenalpha"}))
    assert (run.status, run.error["code"]) == (RunStatus.ERROR, "blocked")
    assert "the guardrail first blocked its input (It is forbidden)" in run.error["message"]
    assert asked(guarded.folder) == []


async def test_nobody_sees_what_a_model_said_before_it_was_looked_at(guarded: Any) -> None:
    run = await guarded.ended(await guarded.start("say", input={"question": "the omega point"}))
    assert run.output == {"answer": "the [gone] point "}
    told = [str(event.data) for event in await guarded.events() if event.run == run.id]
    shown = [text for text in told if "point" in text and "question" not in text]
    assert shown
    assert not any("omega" in text for text in shown)


async def test_an_answer_that_is_blocked_is_a_failed_step(guarded: Any) -> None:
    run = await guarded.ended(await guarded.start("say", input={"question": "forbiddenomega"}))
    assert (run.status, run.error["code"], run.error["step"]) == (RunStatus.ERROR, "blocked", "ask")
    assert "omega" not in run.error["message"]


async def test_graphs_in_python_are_given_and_give_what_passes(guarded: Any) -> None:
    message = {"role": "user", "content": "alpha", "id": "alpha"}
    run = await guarded.ended(await guarded.start("python", input={"messages": [message]}))
    said = run.output["messages"]
    assert [(each["content"], each["id"]) for each in said[:1]] == [("[gone]", "alpha")]
    assert said[-1]["content"] == "[gone] [gone]"


@pytest.mark.parametrize(
    ("guardrails", "sentence"),
    [
        (
            GuardrailsSettings(input=("frist",)),
            "names frist, which no plugin supplies; there is brand, first, ",
        ),
        (GuardrailsSettings(output=("first",)), "names first, whose stage is input; move it"),
    ],
)
async def test_a_guardrail_that_cannot_work_keeps_the_hub_from_starting(
    world: Any, guardrails: GuardrailsSettings, sentence: str
) -> None:
    await world.engine.aclose()
    (world.folder / "plugins" / "rules.py").write_text(PLUGIN)
    with pytest.raises(CannotStart, match=sentence):
        await world.open(guardrails=guardrails)
    await world.open()
