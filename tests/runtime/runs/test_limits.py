"""A run is stopped at the limits of its graph, which count over waits and restarts; its error names them."""

from __future__ import annotations

import math

import pytest

from runtime.errors import LimitExceeded
from runtime.records import RunStatus
from runtime.runs.answers import Answer
from runtime.runs.meter import Meter
from runtime.types import Usage

from .conftest import World

ROUNDS = """
graph  = "rounds"
start  = "note"
output = ["said"]
limits = { max_steps = 5 }

[input]
topic = "text"

[state]
said = "text?"

[node.note]
use  = "step.note"
text = "note {{ topic }}"
save = { said = "{{ result.said }}" }
next = "sure"

[node.sure]
use     = "approve"
choices = { again = "note", done = "end" }
"""

WAITS = """
graph  = "waits"
start  = "before"
output = ["said"]

[input]
until = "text"

[state]
said = "text?"

[node.before]
use  = "step.note"
text = "before"
next = "pause"

[node.pause]
use   = "wait"
until = "{{ until }}"
next  = "after"

[node.after]
use  = "step.note"
text = "after"
save = { said = "{{ result.said }}" }
next = "end"
"""


async def test_steps_are_counted_over_the_answers_of_people_and_restarts(world: World) -> None:
    world.write(rounds=ROUNDS)
    await world.restart()
    run = await world.ended(await world.start("rounds", input={"topic": "x"}))
    for _ in range(2):
        await world.restart()
        (question,) = run.waiting
        answer = Answer({question.id: "again"})
        run = await world.ended(await world.engine.runs.respond("default", "t", answer))
    assert world.ledger == ["note x"] * 3
    (question,) = run.waiting
    ended = await world.ended(await world.engine.runs.respond("default", "t", Answer({question.id: "again"})))
    assert ended.status is RunStatus.ERROR
    assert ended.error
    assert (ended.error["code"], world.ledger) == ("limit_exceeded", ["note x"] * 3)
    assert "raise limits.max_steps of its graph" in ended.error["message"]


def test_money_is_counted_and_a_model_without_a_price_is_refused_where_it_matters() -> None:
    meter = Meter(10, 0.5)
    meter.spend(Usage(cost_usd=0.3), "writer")
    with pytest.raises(
        LimitExceeded, match=r"has cost 0.6000 USD and may cost 0.5; raise limits.max_cost_usd"
    ):
        meter.spend(Usage(cost_usd=0.3), "writer")
    with pytest.raises(LimitExceeded, match="nobody knows what the model cheap costs; give") as refused:
        Meter(10, 0.5).spend(Usage(), "cheap")
    assert refused.value.limit == "max_cost_usd"
    Meter(10).spend(Usage(), "cheap")


async def test_a_long_wait_gives_its_place_to_others_and_ends_by_the_clock_over_a_restart(
    world: World,
) -> None:
    world.write(waits=WAITS)
    await world.restart()
    run = await world.ended(await world.start("waits", input={"until": "2999-01-01"}))
    assert run.status is RunStatus.INTERRUPTED
    (question,) = run.waiting
    assert question.value["waits_until"] == "2999-01-01T00:00:00+00:00"
    await world.restart()
    answer = Answer({question.id: question.otherwise})
    ended = await world.ended(await world.engine.runs.respond("default", "t", answer))
    assert (ended.output, world.ledger) == ({"said": "after"}, ["before", "after"])


async def test_a_wait_that_is_over_goes_on_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.graphs.waiting.SHORT", -math.inf)  # a stop, however short
    world.write(waits=WAITS)
    await world.restart()
    run = await world.ended(await world.start("waits", input={"until": "2000-01-01"}))
    assert run.status is RunStatus.INTERRUPTED
    await world.until(lambda: "after" in world.ledger)
    await world.until(lambda: not world.engine.runs.active("default", (RunStatus.RUNNING,)))
    assert (await world.engine.runs.get("default", run.id)).status is RunStatus.SUCCESS


async def test_what_a_step_has_kept_is_there_for_the_next_run(world: World) -> None:
    world.write(rounds=ROUNDS.replace('text = "note {{ topic }}"', 'text = "note {{ topic }}"\ncache = "1h"'))
    await world.restart()
    for thread, topic in (("t", "x"), ("u", "x"), ("v", "y")):
        run = await world.ended(await world.start("rounds", thread, input={"topic": topic}))
        assert run.status is RunStatus.INTERRUPTED
    assert world.ledger == ["note x", "note y"]
