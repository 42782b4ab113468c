"""Compiled graphs do what their files say, step by step, also when steps fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import LimitExceeded, PluginError, StepFailed
from runtime.graphs.library import GraphLibrary
from runtime.graphs.scope import RunScope
from runtime.graphs.text_version import GraphVersion
from runtime.records import Run, RunStatus
from runtime.runs.meter import Meter
from runtime.telemetry import Telemetry, get_logger
from runtime.types import ChatRequest, Delta, Reply, Usage

PLUGIN = '''"""Steps that echo, fail a few times, hang, and give nonsense."""

import asyncio

from pydantic import BaseModel, Field

from hubbub import Delta, Hit, Hits, InvalidInput, StatePath, hookimpl

tries = {}


class Text(BaseModel):
    text: str = ""


class Echo:
    name = "echo"

    class Params(BaseModel):
        text: str
        rows: StatePath = Field(default=None, alias="from")

    async def run(self, state, params, ctx):
        ctx.emit(Delta(text=params.text))
        return {"answer": params.text, "rows": params.rows, "key": ctx.idempotency_key, "seen": dict(state)}


class Flaky:
    name = "flaky"
    Params = Text

    async def run(self, state, params, ctx):
        tries[ctx.run] = tries.get(ctx.run, 0) + 1
        if tries[ctx.run] <= int(params.text):
            ctx.emit(Delta(text="half"))
            raise RuntimeError("the line is down")
        return {"answer": f"try {tries[ctx.run]}"}


class Refuses(Flaky):
    name = "refuses"

    async def run(self, state, params, ctx):
        tries[ctx.run] = tries.get(ctx.run, 0) + 1
        raise InvalidInput(f"This never works ({tries[ctx.run]}); ask for something else.")


class Hangs(Flaky):
    name = "hangs"

    async def run(self, state, params, ctx):
        await asyncio.sleep(60)


class Nonsense(Flaky):
    name = "nonsense"

    async def run(self, state, params, ctx):
        return {"answer": object()}


class Number(Flaky):
    name = "number"

    async def run(self, state, params, ctx):
        return {"answer": 5}


class Two:
    name = "two"

    async def search(self, query, k, ctx):
        found = [Hit("a", f"about {query}", 0.9, {"path": "a.md", "line": 3}), Hit("b", "more", 0.5)]
        return Hits(found[:k], mode="keyword", degraded=True)


@hookimpl
def register_steps():
    return [Echo(), Flaky(), Refuses(), Hangs(), Nonsense(), Number()]


@hookimpl
def register_retrievers():
    return [Two()]
'''

HEAD = """
graph  = "good"
start  = "one"
output = ["answer"]

[input]
question = "text"
secret   = "text?"

[settings]
hot = 0.5

[state]
answer = "text?"
rows   = "list?"
key    = "text?"
seen   = "any?"
mode   = "text?"
model  = "text?"
score  = { type = "number", default = 0.9 }
tags   = { type = "list", merge = "append" }
count  = { type = "int", merge = "add", default = 0 }
talk   = { type = "list", merge = "messages", default = [] }
"""


@dataclass
class Sink:
    """What one message was told."""

    node: str
    id: str
    texts: list[str] = field(default_factory=list)
    ended: str = ""

    def push(self, delta: Delta) -> None:
        """Remember a piece."""
        self.texts.append(delta.text)

    def finish(self, usage: Usage | None = None) -> None:
        """Remember the end."""
        self.ended = self.ended or "finished"

    def fail(self, code: str, message: str) -> None:
        """Remember the failure."""
        self.ended = self.ended or code


@dataclass
class Model:
    """A model that repeats the prompt, at a dollar a call."""

    requests: list[ChatRequest] = field(default_factory=list)

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        """Answer with the prompt."""
        self.requests.append(request)
        text = str(request.messages[-1]["content"]).strip()
        if on_delta:
            on_delta(Delta(text=text))
        return Reply(text, "echo:1", "stop", Usage(1, 2, cost_usd=1.0))


@dataclass
class Lab:
    """Runs one graph and keeps what it told."""

    library: GraphLibrary
    model: Model = field(default_factory=Model)
    sinks: list[Sink] = field(default_factory=list)
    updates: list[Any] = field(default_factory=list)
    meter: Meter = field(default_factory=lambda: Meter(100))
    on_disk: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.on_disk.set()

    @property
    def version(self) -> GraphVersion:
        """The graph under test."""
        version = self.library.get("good")
        assert isinstance(version, GraphVersion)
        return version

    async def run(self, id: str = "r1", checkpointer: Any = None, **input: Any) -> dict[str, Any]:
        """Run it with a question; returns the last state."""
        return await self.start({"question": "why", **input}, checkpointer, id)

    async def start(self, input: dict[str, Any], checkpointer: Any = None, id: str = "r1") -> dict[str, Any]:
        """Run it with this input; returns the last state."""
        version, values = self.version, {}
        given = version.validate_input(input)
        scope = self.scope(id)
        graph = version.compiled(checkpointer)
        async for mode, part in graph.astream(
            version.initial(given),
            {"recursion_limit": version.limits.max_steps, "configurable": {"thread_id": "t"}},
            context=scope,
            stream_mode=["updates", "values"],
        ):
            if mode == "updates":
                self.updates.append(part)
            elif isinstance(part, dict):
                values = version.visible(part)
        return values

    def scope(self, id: str) -> RunScope:
        """Return what the steps of one run share."""
        lab = self

        class Services:
            def model(self, alias: str, ctx: Any) -> Any:
                return lab.model

            def collection(self, tenant: str, name: str) -> Any:
                raise AssertionError

            def interactions(self, tenant: str) -> Any:
                raise AssertionError

            async def embed(self, texts: Any) -> Any:
                raise AssertionError

            def measures(self, tenant: str) -> Any:
                raise AssertionError

            def artifact(self, name: str, version: str = "") -> Any:
                raise AssertionError

            async def predict(self, model: str, inputs: Any, version: str, ctx: Any) -> Any:
                raise AssertionError

            def http(self) -> Any:
                raise AssertionError

        def message(node: str, id: str, namespace: tuple[str, ...]) -> Sink:
            self.sinks.append(Sink(node, id))
            return self.sinks[-1]

        async def settled() -> None:
            await self.on_disk.wait()

        run = Run(id, "t", "default", "good", "v", RunStatus.RUNNING, {}, 0.0, 0.0)
        return RunScope(
            run=run,
            deadline=time.monotonic() + 20,
            catalog=self.library._catalog(),
            services=Services(),
            telemetry=Telemetry(),
            log=get_logger("test"),
            messages=message,
            custom=lambda name, payload: None,
            settled=settled,
            meter=self.meter,
        )


@pytest.fixture
def lab(library: Callable[..., GraphLibrary], tmp_path: Path) -> Callable[[str], Lab]:
    """Return a lab for the steps of a graph."""

    def make(steps: str, head: str = HEAD) -> Lab:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "plugins" / "things.py").write_text(PLUGIN)
        made = library(good=head + steps)
        assert [finding for finding in made.findings() if finding.severity == "error"] == []
        return Lab(made)

    return make


Make = Callable[[str], Lab]


async def test_a_retriever_gives_passages_and_says_how_it_found_them(lab: Make) -> None:
    found = await lab("""
[node.one]
use   = "retriever.two"
query = "{{ question }}"
top_k = 1
save  = { rows = "{{ result }}", mode = "{{ meta.mode }}" }
next  = "end"
""").run()
    assert found["mode"] == "keyword"
    assert [(row["id"], row["text"], row["source"]["line"]) for row in found["rows"]] == [
        ("a", "about why", 3)
    ]


async def test_a_model_is_asked_with_the_prompt_the_question_and_the_documents(lab: Make) -> None:
    made = lab("""
[node.one]
use   = "retriever.two"
query = "{{ question }}"
save  = "rows"
next  = "two"

[node.two]
use         = "llm"
model       = "writer"
system      = "Be kind."
prompt      = "Say {{ question }} {{ rows | size }}"
documents   = "rows"
temperature = 0.5
save        = { answer = "{{ result }}", model = "{{ meta.model }}" }
next        = "end"
""")
    found = await made.run()
    (request,) = made.model.requests
    assert (found["answer"], found["model"]) == ("Say why 2", "echo:1")
    assert [message["role"] for message in request.messages] == ["system", "user"]
    assert request.messages[-1]["question"] == "why"
    assert [hit.id for hit in request.documents] == ["a", "b"]
    assert [(sink.node, sink.texts, sink.ended) for sink in made.sinks] == [
        ("two", ["Say why 2"], "finished")
    ]


async def test_a_silent_model_step_streams_nothing(lab: Make) -> None:
    made = lab("""
[node.one]
use    = "llm"
model  = "writer"
prompt = '{"a": 1}'
stream  = false
returns = "json"
save   = "seen"
next   = "end"
""")
    assert (await made.run())["seen"] == {"a": 1}
    assert made.sinks == []


async def test_a_branch_goes_where_its_first_true_condition_says(lab: Make) -> None:
    steps = """
[node.one]
use  = "branch"
when = [
  { if = "has(state.mode)", go = "no" },
  { if = "score > hot", go = "yes" },
  { else = "no" },
]

[node.yes]
use  = "set"
set  = { answer = "yes {{ question }}" }
next = "end"

[node.no]
use  = "set"
set  = { answer = "no" }
next = "end"
"""
    assert (await lab(steps).run())["answer"] == "yes why"


async def test_a_loop_ends_after_max_loops_and_lists_grow(lab: Make) -> None:
    made = lab("""
[node.one]
use  = "set"
set  = { tags = "x", count = 2, talk = [{ role = "user", content = "{{ count }}" }] }
next = "again"

[node.again]
use       = "branch"
max_loops = 3
when = [ { if = "score > 0", go = "one" }, { else = "end" } ]
""")
    found = await made.run()
    assert (found["tags"], found["count"]) == (["x"] * 4, 8)
    assert [message["content"] for message in found["talk"]] == [0, 2, 4, 6]
    assert "_loops" not in found


async def test_a_second_run_on_a_thread_begins_anew_but_for_the_conversation(lab: Make) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    made = lab("""
[node.one]
use  = "set"
set  = { tags = "{{ question }}", count = 1, talk = [{ role = "user", content = "{{ question }}" }] }
next = "two"

[node.two]
use       = "branch"
max_loops = 5
when = [ { if = "question == 'first'", go = "three" }, { else = "end" } ]

[node.three]
use  = "set"
set  = { answer = "only in the first run" }
next = "end"
""")
    saver = InMemorySaver()
    first = await made.run("r1", saver, question="first")
    second = await made.run("r2", saver, question="second")
    assert (first["answer"], first["tags"]) == ("only in the first run", ["first"])
    assert (second["answer"], second["tags"], second["count"]) == (None, ["second"], 1)
    assert [message["content"] for message in second["talk"]] == ["first", "second"]


async def test_a_step_is_given_parameters_state_and_a_key_of_its_own(
    lab: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_KEY", "hunter2hunter2")
    made = lab("""
[node.one]
use  = "retriever.two"
query = "x"
save = "rows"
next = "two"

[node.two]
use  = "step.echo"
text = "secret:CRM_KEY"
from = "rows"
save = ["rows", "key"]
next = "three"

[node.three]
use  = "step.echo"
text = "{{ question }}"
save = ["key", "answer"]
next = "end"
""")
    found = await made.run()
    assert [row["id"] for row in found["rows"]] == ["a", "b"]
    keys = {part["key"] for update in made.updates for part in update.values() if part and "key" in part}
    assert len(keys) == 2
    assert made.sinks[0].texts == ["hunter2hunter2"]
    assert found["answer"] == "why"


async def test_a_missing_secret_names_who_needs_it(lab: Make) -> None:
    made = lab(
        '[node.one]\nuse = "step.echo"\ntext = "secret:NOT_THERE_AT_ALL"\nsave = ["answer"]\nnext = "end"\n'
    )
    with pytest.raises(StepFailed, match=r"NOT_THERE_AT_ALL, needed by the step one of the graph good"):
        await made.run()


async def test_a_failed_step_is_tried_again_and_its_half_message_is_taken_back(lab: Make) -> None:
    made = lab('[node.one]\nuse = "step.flaky"\ntext = "2"\nretry = 2\nsave = ["answer"]\nnext = "end"\n')
    assert (await made.run("flaky-2"))["answer"] == "try 3"
    assert [sink.ended for sink in made.sinks] == ["restarted", "restarted"]
    # Under one id, so that viewers put the new message in the place of the broken one.
    assert len({sink.id for sink in made.sinks}) == 1


async def test_a_step_may_keep_its_answer_as_the_message_it_was_streamed_as(lab: Make) -> None:
    made = lab("""
[node.one]
use    = "llm"
model  = "writer"
prompt = "Say {{ question }}"
save   = { seen = { id = "{{ meta.message_id }}", content = "{{ result }}" } }
next   = "two"

[node.two]
use    = "llm"
model  = "writer"
prompt = "More"
save   = "answer"
next   = "end"
""")
    found = await made.run()
    first, second = made.sinks
    assert found["seen"] == {"id": first.id, "content": "Say why"}
    assert first.id != second.id


async def test_the_last_failure_names_the_step_and_the_line_of_the_plugin(lab: Make) -> None:
    made = lab('[node.one]\nuse = "step.flaky"\ntext = "9"\nretry = 1\nsave = ["answer"]\nnext = "end"\n')
    with pytest.raises(StepFailed, match=r"The step one failed: .*things.py:\d+.*the line is down") as caught:
        await made.run("flaky-9")
    assert (caught.value.step, caught.value.cause_code) == ("one", "plugin_error")
    assert [sink.ended for sink in made.sinks] == ["restarted", "incomplete"]


async def test_what_another_try_cannot_mend_is_not_tried_again(lab: Make) -> None:
    made = lab('[node.one]\nuse = "step.refuses"\nretry = 5\nsave = ["answer"]\nnext = "end"\n')
    with pytest.raises(StepFailed, match=r"never works \(1\)"):
        await made.run("refuses")


@pytest.mark.parametrize("step", ['step.flaky"\ntext = "9', "step.refuses"])
async def test_on_error_goes_on_elsewhere_after_the_last_try(lab: Make, step: str) -> None:
    made = lab(f"""
[node.one]
use      = "{step}"
retry    = 1
on_error = "instead"
save     = ["answer"]
next     = "end"

[node.instead]
use  = "set"
set  = {{ answer = "instead" }}
next = "end"
""")
    assert (await made.run(f"on-error-{step[:9]}"))["answer"] == "instead"
    assert all("half" not in str(update) for update in made.updates)


async def test_a_step_over_its_timeout_fails_with_a_sentence(lab: Make) -> None:
    made = lab('[node.one]\nuse = "step.hangs"\ntimeout = "50ms"\nsave = ["answer"]\nnext = "end"\n')
    with pytest.raises(StepFailed) as caught:
        await asyncio.wait_for(made.run(), 10)
    assert "one" in str(caught.value)
    assert "0.05 s" in str(caught.value)


async def test_what_is_not_json_or_not_declared_so_fails_its_step(lab: Make) -> None:
    nonsense = lab('[node.one]\nuse = "step.nonsense"\nsave = ["answer"]\nnext = "end"\n')
    with pytest.raises(StepFailed, match="not JSON") as caught:
        await nonsense.run()
    assert isinstance(caught.value.__cause__, PluginError)
    number = lab('[node.one]\nuse = "step.number"\nsave = ["answer"]\nnext = "end"\n')
    with pytest.raises(StepFailed, match="what it saves as answer is wrong"):
        await number.run()
    other = lab('[node.one]\nuse = "step.number"\nsave = ["rows"]\nnext = "end"\n')
    with pytest.raises(StepFailed, match="its result has no field rows; there is answer"):
        await other.run()


async def test_without_save_only_declared_fields_of_the_result_are_kept(lab: Make) -> None:
    made = lab('[node.one]\nuse = "step.echo"\ntext = "a"\nnext = "end"\n')
    found = await made.run()
    assert found["answer"] == "a"
    assert found["seen"]["question"] == "why"
    assert set(found) <= set(made.version.spec.fields)


async def test_a_used_up_budget_ends_the_run_and_no_on_error_hides_it(lab: Make) -> None:
    made = lab("""
[node.one]
use      = "llm"
model    = "writer"
prompt   = "x"
save     = "answer"
next     = "end"
on_error = "two"

[node.two]
use  = "set"
set  = { answer = "hidden" }
next = "end"
""")
    made.meter = Meter(100, 0.5)
    with pytest.raises(LimitExceeded):
        await made.run()


async def test_cancelling_a_run_cancels_its_step(lab: Make) -> None:
    made = lab('[node.one]\nuse = "step.hangs"\nsave = ["answer"]\nretry = 3\nnext = "end"\n')
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)


async def test_a_step_that_may_act_waits_until_what_led_to_it_is_on_disk(lab: Make) -> None:
    made = lab('[node.one]\nuse = "step.echo"\ntext = "x"\nsave = ["answer"]\nnext = "end"\n')
    made.on_disk.clear()
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.1)
    assert made.sinks == []
    made.on_disk.set()
    assert (await task)["answer"] == "x"
