"""What scorers, recommenders, guardrails and people give is taken down, once and without its content."""

from __future__ import annotations

from typing import Any

from runtime.runs.answers import Answer

PLUGIN = """
from pathlib import Path
from hubbub import Item, PluginError, Score, Verdict, hookimpl

class Fit:
    name = "fit"
    async def score(self, item, ctx):
        details = {"tier": item["tier"], "model_version": "7"}
        return Score(item["value"], ("It is Ann's.",), details)

class Again:
    name = "again"
    async def recommend(self, user, k, ctx):
        return [Item(str(number), 1.0) for number in range(k)]

class Word:
    name, stage = "word", "output"
    async def check(self, text, ctx):
        failed = Path(__file__).parents[1] / "failed"
        if "fragile" in text and not failed.exists():
            failed.touch()
            raise PluginError("not this time; try again", plugin="facts")
        return Verdict("rewrite", "gone") if "secret" in text else Verdict()

@hookimpl
def register_scorers():
    return [Fit()]

@hookimpl
def register_recommenders():
    return [Again()]

@hookimpl
def register_guardrails():
    return [Word()]
"""
JUDGE = """
graph  = "judge"
about  = "Scores, recommends, asks"
start  = "fit"
output = ["decision"]

[input]
tier = "text"

[state]
fit      = "any"
items    = "list"
decision = { type = "object", fields = { choice = "text", note = "text" } }

[node.fit]
use   = "scorer.fit"
item  = { tier = "{{ tier }}", value = 0.75 }
guard = ["word"]
retry = 1
save  = "fit"
next  = "again"

[node.again]
use  = "recommender.again"
user = "ann"
k    = 3
save = "items"
next = "ask"

[node.ask]
use     = "approve"
show    = ["fit"]
choices = { yes = "end", no = "end" }
save    = "decision"
"""


async def _judged(world: Any, tier: str, choice: str) -> list[tuple[Any, ...]]:
    world.write(judge=JUDGE)
    (world.folder / "plugins" / "facts.py").write_text(PLUGIN)
    await world.restart()
    run = await world.ended(await world.start("judge", input={"tier": tier}))
    (question,) = run.waiting
    await world.restart()
    answer = Answer({question.id: {"choice": choice, "note": "because Ann said so"}})
    await world.ended(await world.engine.runs.respond("default", "t", answer))
    await world.engine.journal.barrier()
    sql = "SELECT tenant, graph, kind, name, version, label, number FROM facts ORDER BY kind, id"
    rows: list[tuple[Any, ...]] = await world.engine.journal.read(
        lambda database: database.execute(sql).fetchall()
    )
    assert {row[:2] for row in rows} == {("default", "judge")}
    return [row[2:] for row in rows]


async def test_each_kind_of_fact_is_taken_down(world: Any) -> None:
    assert await _judged(world, "secret", "no") == [
        ("approval", "ask", "", "no", None),
        ("guard", "word", "", "rewrite", None),
        ("recommendation", "again", "", "", 3_000_000_000),
        ("score", "fit", "7", "secret", 750_000_000),
    ]


async def test_a_step_that_is_tried_again_is_heard_once(world: Any) -> None:
    rows = await _judged(world, "fragile", "yes")
    assert (world.folder / "failed").exists()
    assert [row for row in rows if row[0] == "score"] == [("score", "fit", "7", "fragile", 750_000_000)]
