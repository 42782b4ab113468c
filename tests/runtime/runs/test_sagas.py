"""When a run fails for good, what it did outside is undone: in reverse, each once, whatever interrupts it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.records import RunOptions, RunStatus
from runtime.runs.run import StartRun
from runtime.types import JsonObject

from .conftest import World, lifecycles

PLUGIN = '''"""A tool that acts, fails, hangs or waits for a file."""

import asyncio
from pathlib import Path

from pydantic import BaseModel

from hubbub import InvalidInput, hookimpl

LEDGER = Path(__file__).parent.parent / "ledger"


class Act:
    name = "act"
    description = "Does something."

    class Args(BaseModel):
        what: str
        mode: str = ""

    async def run(self, args, ctx):
        with LEDGER.open("a") as ledger:
            ledger.write(args.what + "\\n")
        if args.mode == "fail":
            raise RuntimeError("the line is down")
        if args.mode == "refuse":
            raise InvalidInput("This card is not valid; take another one.")
        gate = args.mode.startswith("gate") and LEDGER.parent / args.mode
        while args.mode == "hang" or (gate and not gate.exists()):
            await asyncio.sleep(0.005)
        return {"id": args.what.split()[-1], "key": ctx.idempotency_key}


@hookimpl
def register_tools():
    return [Act()]
'''

ONBOARD = """
graph  = "onboard"
start  = "account"
output = ["desk"]
limits = { max_steps = 5 }

[input]
name   = "text"
mode   = { type = "text", default = "" }
closes = { type = "text", default = "" }

[state]
account = "object?"
desk    = "object?"

[node.account]
use  = "tool.act"
what = "create {{ name }}"
save = "account"
next = "desk"
undo = "close_account"

[node.desk]
use  = "tool.act"
what = "book desk"
save = "desk"
next = "pay"
undo = "free_desk"

[node.pay]
use  = "tool.act"
what = "pay {{ name }}"
mode = "{{ mode }}"
next = "sure"
undo = "refund"

[node.sure]
use  = "branch"
when = [
  { if = "mode == 'again' && has(state.desk)", go = "account" },
  { if = "mode == 'ask'", go = "ask" },
  { else = "end" },
]

[node.ask]
use     = "approve"
choices = { yes = "end" }

[node.close_account]
use  = "tool.act"
what = "close {{ account.id }} of {{ name }}"
mode = "{{ closes }}"

[node.free_desk]
use  = "tool.act"
what = "free {{ result.id }}"

[node.refund]
use  = "tool.act"
what = "refund {{ result.id }}"
"""

DONE = ["create ann", "book desk", "pay ann"]


@pytest.fixture
async def saga(world: World) -> World:
    """An engine with a graph of three tools that are undone."""
    (world.folder / "plugins" / "acts.py").write_text(PLUGIN)
    world.write(onboard=ONBOARD)
    await world.restart()
    return world


async def onboard(world: World, mode: str, **more: Any) -> Any:
    input = {"name": "ann", "mode": mode, **more.pop("input", {})}
    return await world.start("onboard", input=input, **more)


async def undone(world: World) -> list[JsonObject]:
    return [
        event.data["payload"]
        for event in await world.events()
        if event.method == "custom" and event.data["name"] == "undo"
    ]


async def test_what_succeeded_or_may_have_is_undone_in_reverse_with_the_result_it_had(saga: World) -> None:
    run = await saga.ended(await onboard(saga, "fail"))
    assert (run.status, run.error and run.error["step"]) == (RunStatus.ERROR, "pay")
    assert saga.ledger == [*DONE, "refund ", "free desk", "close ann of ann"]
    assert [(each["step"], each["event"]) for each in await undone(saga)] == [
        *(("pay", "started"), ("pay", "completed"), ("desk", "started"), ("desk", "completed")),
        *(("account", "started"), ("account", "completed")),
    ]
    assert (await undone(saga))[-1]["by"] == "close_account"
    assert lifecycles(await saga.events())[-1] == ("failed", "error")
    assert await saga.engine.runs._ledger.effects(run.id) == []


async def test_a_run_that_succeeds_undoes_nothing_and_its_ledger_is_closed(saga: World) -> None:
    run = await saga.ended(await onboard(saga, ""))
    assert run.status is RunStatus.SUCCESS
    assert saga.ledger == DONE
    assert await saga.engine.runs._ledger.effects(run.id) == []


async def test_a_step_that_was_refused_did_nothing(saga: World) -> None:
    await saga.ended(await onboard(saga, "refuse"))
    assert saga.ledger == [*DONE, "free desk", "close ann of ann"]


async def test_each_turn_of_a_loop_is_undone_and_a_used_up_limit_is_a_failure(saga: World) -> None:
    run = await saga.ended(await onboard(saga, "again"))
    assert run.error
    assert "max_steps" in run.error["message"]
    done = [line.split()[0] for line in saga.ledger]
    assert done == ["create", "book", "pay", "create", "close", "refund", "free", "close"]


@pytest.mark.parametrize("roll_back", [False, True])
async def test_a_cancelled_run_is_undone(saga: World, roll_back: bool) -> None:
    run = await onboard(saga, "hang")
    await saga.until(lambda: len(saga.ledger) == 3)
    ended = await saga.engine.runs.cancel("default", run.id, roll_back=roll_back)
    assert ended.status is RunStatus.CANCELLED
    assert saga.ledger[3:] == ["refund ", "free desk", "close ann of ann"]


async def test_a_run_that_another_takes_the_place_of_is_undone_first(saga: World) -> None:
    await onboard(saga, "hang")
    await saga.until(lambda: len(saga.ledger) == 3)
    await saga.ended(await onboard(saga, "", options=RunOptions(multitask="rollback")))
    assert saga.ledger[3:] == ["refund ", "free desk", "close ann of ann", *DONE]


async def test_a_run_that_took_too_long_is_undone(saga: World) -> None:
    saga.write(onboard=ONBOARD.replace("max_steps = 5", 'timeout = "500ms"'))
    await saga.restart()
    run = await saga.ended(await onboard(saga, "hang"))
    assert run.status is RunStatus.TIMEOUT
    assert saga.ledger[3:] == ["refund ", "free desk", "close ann of ann"]


async def test_a_run_that_is_given_up_while_it_waits_for_a_person_is_undone(saga: World) -> None:
    run = await saga.ended(await onboard(saga, "ask"))
    assert run.status is RunStatus.INTERRUPTED
    assert saga.ledger == DONE
    ended = await saga.engine.runs.cancel("default", run.id)
    assert ended.status is RunStatus.CANCELLED
    assert saga.ledger[3:] == ["refund ann", "free desk", "close ann of ann"]
    assert (await saga.engine.runs.get("default", run.id)).status is RunStatus.CANCELLED


async def test_what_cannot_be_undone_is_said_and_the_rest_is_undone(saga: World) -> None:
    saga.write(onboard=ONBOARD.replace('what = "free {{ result.id }}"', 'what = "free desk"\nmode = "fail"'))
    await saga.restart()
    run = await saga.ended(await onboard(saga, "fail"))
    assert saga.ledger[3:] == ["refund ", "free desk", "close ann of ann"]
    assert run.error
    assert "The step desk could not be undone" in run.error["message"]
    assert run.error["message"].endswith("undo it by hand.")
    failed = [each for each in await undone(saga) if each["event"] == "failed"]
    assert [each["step"] for each in failed] == ["desk"]


@pytest.mark.parametrize("how", ["fails", "waits"])
async def test_a_stop_in_the_middle_of_undoing_leaves_the_rest_to_the_next_process(
    saga: World, how: str
) -> None:
    """Whether the run failed, or was given up while it waited."""
    run = await onboard(saga, "fail" if how == "fails" else "ask", input={"closes": "gate1"})
    giving_up = None
    if how == "waits":
        await saga.ended(run)
        giving_up = asyncio.create_task(saga.engine.runs.cancel("default", run.id))
    await saga.until(lambda: len(saga.ledger) == 6)
    await saga.engine.aclose(0.0)
    if giving_up:
        giving_up.cancel()
    assert saga.ledger[3:] == [f"refund {'ann' if how == 'waits' else ''}", "free desk", "close ann of ann"]
    saga.open_gate("gate1")
    await saga.open()
    ended = await saga.ended(run)
    assert ended.status is (RunStatus.ERROR if how == "fails" else RunStatus.CANCELLED)
    # The one that was cut off is done once more, under the same key.
    assert saga.ledger[6:] == ["close ann of ann"]


async def test_an_answer_that_comes_while_a_run_is_undone_is_refused(saga: World) -> None:
    run = await saga.ended(await onboard(saga, "ask", input={"closes": "gate1"}))
    giving_up = asyncio.create_task(saga.engine.runs.cancel("default", run.id))
    await saga.until(lambda: len(saga.ledger) == 6)
    assert await saga.engine.runs.waiting("default", "t") is None
    saga.open_gate("gate1")
    assert (await giving_up).status is RunStatus.CANCELLED


async def test_a_tool_and_its_undo_have_keys_that_stay_the_same(saga: World) -> None:
    saga.write(onboard=ONBOARD.replace('what = "refund {{ result.id }}"', 'what = "refund {{ meta.key }}"'))
    await saga.restart()
    request = StartRun("default", "onboard", thread="t", input={"name": "ann", "mode": "fail"})
    run = await saga.ended(await saga.engine.runs.start(request))
    (refund,) = [line for line in saga.ledger if line.startswith("refund")]
    assert refund.startswith(f"refund {run.id}:")
    completed = [each for each in await undone(saga) if each["event"] == "completed"]
    assert refund == f"refund {completed[0]['key']}"
    assert all(each["result"]["key"].startswith(f"{run.id}:undo:") for each in completed)
