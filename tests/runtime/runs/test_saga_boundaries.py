"""Undoing is cut off at every boundary there is, and goes on: in reverse, and nothing is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from runtime.graphs.scope import RunScope
from runtime.journal.ledger import JournalLedger
from runtime.records import Effect, Run
from runtime.runs.saga import Saga
from runtime.types import JsonObject

from .conftest import World

EFFECTS = (("one", "done"), ("two", "refused"), ("three", "begun"), ("four", "done"))
REVERSED = ["four", "three", "one"]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Boundaries:
    """Counts the boundaries that are passed, and kills at some of them."""

    kills: Sequence[int]
    passed: int = 0

    def cross(self) -> None:
        """Pass one."""
        self.passed += 1
        if self.passed in self.kills:
            raise Killed


@dataclass
class Ledger:
    """The journal's ledger, with a boundary before and after each write."""

    real: JournalLedger
    at: Boundaries

    async def effects(self, run: str) -> list[Effect]:
        """Return what is not undone."""
        return await self.real.effects(run)

    async def settle(self, effect: Effect) -> None:
        """Note what has become of it."""
        self.at.cross()
        await self.real.settle(effect)
        self.at.cross()


@dataclass
class Outside:
    """What is outside: the steps that were undone, in order."""

    at: Boundaries
    undone: list[str] = field(default_factory=list)
    fails: str = ""

    async def undo(self, effect: Effect, scope: RunScope) -> JsonObject:
        """Undo one step."""
        self.at.cross()
        self.undone.append(effect.step)
        self.at.cross()
        if effect.step == self.fails:
            raise RuntimeError("it cannot be undone")
        return {"by": f"undo_{effect.step}", "result": None}


@dataclass(frozen=True)
class Scope:
    """As much of a scope as a saga reads."""

    run: Run


Undo = Callable[..., Any]


@pytest.fixture
def undo(world: World) -> Undo:
    """Return a saga of four steps, killed at some boundaries and begun again until it is over."""
    ledger = JournalLedger(world.engine.journal)

    async def done(name: str, *kills: int, fails: str = "") -> tuple[list[str], list[str], int]:
        run = await world.ended(await world.start("approve", name, input={"topic": name}))
        for step, state in EFFECTS:
            effect = Effect(run.id, f"task-{step}", step, (), f"key-{step}", {})
            await ledger.begin(effect, run.fence)
            if state != "begun":
                await ledger.settle(Effect(run.id, f"task-{step}", step, (), "", {}, cast(Any, state)))
        at = Boundaries(kills)
        outside = Outside(at, fails=fails)
        while True:
            saga = Saga(cast(Any, Ledger(ledger, at)), outside, cast(Any, Scope(run)), lambda data, ns: None)
            try:
                failures = await saga.undo()
            except Killed:
                continue
            assert await ledger.effects(run.id) == []
            return outside.undone, failures, at.passed

    return done


async def test_a_kill_at_any_boundary_repeats_at_most_the_step_it_cut_off(undo: Undo) -> None:
    undone, failures, boundaries = await undo("whole")
    assert (undone, failures) == (REVERSED, [])
    for kill in range(1, boundaries + 1):
        undone, failures, _ = await undo(f"kill-{kill}", kill)
        assert list(dict.fromkeys(undone)) == REVERSED, kill
        assert len(undone) <= len(REVERSED) + 1, kill
        assert failures == []


async def test_two_kills_in_a_row_are_survived_at_every_pair_of_boundaries(undo: Undo) -> None:
    for first in range(1, 9):
        undone, failures, _ = await undo(f"kill-{first}", first, first + 1)
        assert list(dict.fromkeys(undone)) == REVERSED, first
        assert failures == []


async def test_what_cannot_be_undone_is_tried_once_and_holds_up_nothing(undo: Undo) -> None:
    undone, failures, _ = await undo("stuck", fails="three")
    assert undone == REVERSED
    assert failures == [
        "The step three could not be undone (RuntimeError: it cannot be undone); undo it by hand."
    ]


async def test_a_step_whose_undoing_kills_the_process_is_given_up(undo: Undo) -> None:
    """Each time before it has been noted: the fourth process says so and goes on with the rest."""
    undone, failures, _ = await undo("deadly", 4, 8, 12)
    assert undone == ["four", "four", "four", "three", "one"]
    assert failures == [
        "The step four could not be undone (the process ended 3 times while it was undone); undo it by hand."
    ]
