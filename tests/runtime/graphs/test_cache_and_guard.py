"""What stands around a step's work: a cache that gives it again, guardrails that look at its texts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import StepFailed, StorageError
from runtime.graphs.findings import Finding
from runtime.graphs.library import GraphLibrary
from runtime.graphs.scope import RunScope
from tests.runtime.graphs.test_runs import Lab

PLUGIN = '''"""A tool that counts its calls, and guardrails that block and rewrite."""

from pydantic import BaseModel

from hubbub import Verdict, hookimpl

calls = []


class Look:
    name = "look"
    description = "Looks somebody up."

    class Args(BaseModel):
        who: str

    async def run(self, args, ctx):
        calls.append(args.who)
        return {"who": args.who, "number": len(calls)}


class Guard:
    def __init__(self, name, stage, action):
        self.name, self.stage, self.action = name, stage, action
        self.seen = []

    async def check(self, text, ctx):
        self.seen.append(text)
        if "secret" not in text:
            return Verdict()
        if self.action == "block":
            return Verdict("block", reason="it tells a secret")
        return Verdict("rewrite", text=text.replace("secret", "[hidden]"))


@hookimpl
def register_tools():
    return [Look()]


@hookimpl
def register_guardrails():
    return [Guard("no_secrets", "input", "block"), Guard("hide", "output", "rewrite")]
'''

GRAPH = """
graph  = "good"
start  = "look"
output = ["found", "answer"]

[input]
question = "text"
note     = { type = "text", default = "" }

[state]
found  = "any?"
answer = "text?"

[node.look]
use   = "tool.look"
who   = "{{ question }}"
save  = "found"
cache = "1h"
next  = "say"

[node.say]
use    = "llm"
model  = "writer"
prompt = "Say {{ question }} {{ note }}"
save   = "answer"
next   = "end"
"""


@dataclass
class Memory:
    """A cache that remembers for how long it was asked to keep."""

    name: str = "memory"
    values: dict[str, bytes] = field(default_factory=dict)
    kept: list[float] = field(default_factory=list)
    broken: bool = False

    async def get(self, key: str) -> bytes | None:
        """Return the value."""
        if self.broken:
            raise StorageError("The cache is away; start it.")
        return self.values.get(key)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep it."""
        self.values[key] = value
        self.kept.append(ttl)

    async def delete(self, key: str) -> None:
        """Forget it."""
        self.values.pop(key, None)


@dataclass
class CachedLab(Lab):
    """A lab whose runs share a cache."""

    cache: Memory = field(default_factory=Memory)
    tenant: str = "default"

    def scope(self, id: str) -> RunScope:
        """Return what the steps of one run share."""
        scope = super().scope(id)
        run = replace(scope.run, tenant=self.tenant, version=self.version.version)
        return replace(scope, run=run, cache=self.cache)

    @property
    def calls(self) -> list[str]:
        """Whom the tool has looked up."""
        found = self.library._catalog().get("tool", "look")
        assert found
        calls: list[str] = sys.modules[found.plugin.module].calls
        return calls


Make = Callable[[str], CachedLab]


@pytest.fixture
def library_of(library: Callable[..., GraphLibrary], tmp_path: Path) -> Callable[[str], GraphLibrary]:
    """Return the library of a graph with a cache or guards."""

    def make(text: str) -> GraphLibrary:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "plugins" / "things.py").write_text(PLUGIN)
        return library(good=text)

    return make


@pytest.fixture
def lab(library_of: Callable[[str], GraphLibrary]) -> Make:
    """Return a lab with a cache."""

    def make(text: str) -> CachedLab:
        made = library_of(text)
        assert made.findings() == []
        return CachedLab(made)

    return make


def _guarded(*names: str) -> str:
    return GRAPH.replace("[node.say]\n", f"[node.say]\nguard = {list(names)}\n".replace("'", '"'))


# --------------------------------------------------------------------------- the cache


async def test_what_a_step_gave_is_given_again_for_the_same_parameters(lab: Make) -> None:
    made = lab(GRAPH)
    first = await made.run(note="a")
    again = await made.run("r2", note="b")
    other = await made.run("r3", question="how")
    assert [each["found"]["number"] for each in (first, again, other)] == [1, 1, 2]
    assert made.calls == ["why", "how"]
    assert made.cache.kept == [3600.0, 3600.0]


async def test_no_tenant_is_given_what_another_one_got(lab: Make) -> None:
    made = lab(GRAPH)
    await made.run()
    made.tenant = "other"
    await made.run("r2")
    assert made.calls == ["why", "why"]


async def test_a_cache_that_fails_costs_time_and_nothing_else(lab: Make) -> None:
    made = lab(GRAPH)
    made.cache.broken = True
    assert (await made.run())["found"]["number"] == 1
    assert (await made.run("r2"))["found"]["number"] == 2


async def test_a_cached_answer_of_a_model_is_seen_by_whoever_watches(lab: Make) -> None:
    made = lab(GRAPH.replace('model  = "writer"', 'model  = "writer"\ncache = "5m"'))
    await made.run()
    await made.run("r2")
    assert len(made.model.requests) == 1
    assert [(sink.texts, sink.ended) for sink in made.sinks] == [(["Say why"], "finished")] * 2


# --------------------------------------------------------------------------- guardrails


async def test_a_guardrail_blocks_what_a_step_is_given_before_it_is_called(lab: Make) -> None:
    made = lab(_guarded("no_secrets"))
    assert (await made.run())["answer"] == "Say why"
    with pytest.raises(StepFailed, match=r"the guardrail no_secrets blocked its input \(it tells"):
        await made.run("r2", note="a secret")
    assert len(made.model.requests) == 1


async def test_a_guardrail_rewrites_what_a_step_gives_before_anybody_sees_it(lab: Make) -> None:
    made = lab(_guarded("hide"))
    assert (await made.run(note="a secret"))["answer"] == "Say why a [hidden]"
    assert [(sink.texts, sink.ended) for sink in made.sinks] == [(["Say why a [hidden]"], "finished")]


# --------------------------------------------------------------------------- the check


@pytest.mark.parametrize(
    ("before", "after", "code", "line", "told"),
    [
        ('cache = "1h"', 'cache = "soon"', "E03", 'cache = "soon"', "must be a duration"),
        ('cache = "1h"', 'guard = ["hid"]', "E06", 'guard = ["hid"]', "did you mean hide?"),
        ('cache = "1h"', 'guard = "hid"', "E06", 'guard = "hid"', "did you mean hide?"),
        ('cache = "1h"', "guard = 5", "E03", "guard = 5", "guard must be a list of guardrails"),
        ('cache = "1h"', 'cache = "1h"\nundo = "back"', "E03", 'cache = "1h"', "take cache out, or undo"),
        (
            "[node.say]\n",
            '[node.say]\nuse="set"\nset={}\ncache="1h"\n[node.s]\n',
            "E02",
            "cache=",
            "no cache",
        ),
    ],
)
def test_mistakes_are_found_where_they_are(
    library_of: Callable[[str], GraphLibrary], before: str, after: str, code: str, line: str, told: str
) -> None:
    back = '\n[node.back]\nuse = "tool.look"\nwho = "x"\n' if "undo" in after else ""
    text = GRAPH.replace(before, after, 1) + back
    found: list[Finding] = library_of(text).findings()
    first: Any = next(each for each in found if each.code == code)
    assert told in f"{first.message}; {first.help}"
    assert line in text.splitlines()[first.line - 1]
