"""The step `map`: the steps of its body once for each item, so many at once, and their writes in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final

from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.func import task

from runtime.errors import InvalidInput, LimitExceeded, TooLarge
from runtime.graphs.file import Each, GraphFile
from runtime.graphs.scope import Action, Outcome, StepCall
from runtime.graphs.state import EMPTY, ITEM, reducer
from runtime.graphs.templates import look_up
from runtime.types import JsonObject

MOST_ITEMS: Final = 10_000
"""Items of one map: each is work that is paid for and written down."""

Writes = list[list[Any]]
"""What one item wrote, as [field, value]; LangGraph keeps it, so a crash repeats no item that is done."""


def map_action(file: GraphFile, each: Each, around: Sequence[str]) -> Action:
    """Return the action of a map, whose body is the graph inside its step.

    `around` are the names of the items of the maps that it stands in.
    """

    async def act(call: StepCall) -> Outcome:
        items = _items(call, each)
        # Of all steps and not of those that are left: some items may have been done before a restart.
        if len(items) > call.scope.meter.max_steps:
            raise LimitExceeded(
                f"The map {call.node.id} has {len(items):,} items, and limits.max_steps allows "
                f"{call.scope.meter.max_steps:,} steps; raise it, or put several into one item.",
                limit="max_steps",
            )
        before = {
            name: value
            for name, value in call.values["state"].items()
            if value is not None and file.fields[name].merge not in EMPTY
        }

        # Made here, and given a number alone, because LangGraph tells everybody what a task is given.
        async def item(number: int) -> Writes:
            outer = {name: call.values[name] for name in around}
            began = {**before, **outer, each.name: items[number], ITEM: number}
            return _written(file, before, await call.inside.ainvoke(began) or {})

        return Outcome(_merged(file, await _all(_named(item, each.do), len(items), each.max_parallel)))

    return act


def _named(item: Any, name: str) -> Any:
    """Return the work on one item as a task of LangGraph, which is told of under this name."""
    return task(name=name)(item)


def _items(call: StepCall, each: Each) -> Sequence[Any]:
    found = look_up(call.values, each.over.split("."))
    if found is not None and not isinstance(found, list):
        raise InvalidInput(f"{each.over} is no list; mend the step that writes it")
    if found and len(found) > MOST_ITEMS:
        raise TooLarge(
            f"{each.over} has {len(found):,} items and a map takes at most {MOST_ITEMS:,}; "
            "put several into one item, or fewer into the list"
        )
    return found or []


async def _all(work: Any, items: int, at_once: int) -> list[Writes]:
    """Do every item.  The first one that fails stops the rest; one that asks a person does not.

    When the hub stops, each item that has begun reaches a step boundary of its own.
    """
    places, asked, left = asyncio.Semaphore(at_once), list[Any](), list[GraphBubbleUp]()

    async def do(number: int) -> Writes:
        async with places:
            try:
                return await work(number)  # type: ignore[no-any-return]
            except GraphInterrupt as stop:
                asked.extend(stop.args[0])
                return []
            except GraphBubbleUp as stop:
                left.append(stop)
                return []

    try:
        async with asyncio.TaskGroup() as group:
            # In order: LangGraph knows the items again by the order in which they begin.
            done = [group.create_task(do(number), name="item of a map") for number in range(items)]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    if left:
        raise left[0]
    if asked:
        raise GraphInterrupt(tuple(asked))
    return [each.result() for each in done]


def gathered(file: GraphFile) -> list[str]:
    """Return the fields that items may write."""
    return [name for name, one in file.fields.items() if one.merge]


def _written(file: GraphFile, before: Mapping[str, Any], after: Mapping[str, Any]) -> Writes:
    """Return what an item has changed; what is gathered from all items began empty for it."""
    return [
        [name, after[name]]
        for name in gathered(file)
        if name in after and after[name] != EMPTY.get(file.fields[name].merge or "", before.get(name))
    ]


def _merged(file: GraphFile, written: Sequence[Writes]) -> JsonObject:
    """Return all writes as those of one step, in the order of the items."""
    values: dict[str, list[Any]] = {}
    for each in written:
        for name, value in each:
            values.setdefault(name, []).append(value)
    return {name: _joined(file, name, several) for name, several in values.items()}


def _joined(file: GraphFile, name: str, values: Sequence[Any]) -> Any:
    one = file.fields[name]
    join = reducer(one)
    assert join
    return reduce(join, values, EMPTY.get(one.merge or ""))
