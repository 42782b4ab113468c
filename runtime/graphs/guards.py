"""The guardrails of a step: they look at every text that goes in or comes out, and block or rewrite it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from runtime.errors import Blocked, NotFound
from runtime.extensions import guard
from runtime.extensions.catalog import Registered
from runtime.graphs.scope import StepCall

_STAGES: Final = {"input": ("input", "tool"), "output": ("output",)}
"""Which guardrails look at what a step is given, and which at what it gives."""


def holds_back(call: StepCall) -> bool:
    """Whether nothing may be shown before it was looked at."""
    return any(_found(call, name).value.stage in _STAGES["output"] for name in call.node.guard)


async def guarded(call: StepCall, way: Literal["input", "output"], value: Any) -> Any:
    """Return a value as the step's guardrails let it pass, text by text; Blocked."""
    for name in call.node.guard:
        found = _found(call, name)
        if found.value.stage in _STAGES[way]:
            value = await _passed(call, found, way, value)
    return value


async def _passed(call: StepCall, found: Registered, way: str, value: Any) -> Any:
    if isinstance(value, str):
        return await _text(call, found, way, value) if value.strip() else value
    if isinstance(value, Mapping):
        return {key: await _passed(call, found, way, each) for key, each in value.items()}
    if isinstance(value, list):
        return [await _passed(call, found, way, each) for each in value]
    return value


async def _text(call: StepCall, found: Registered, way: str, text: str) -> str:
    verdict = await guard.call(found, "check", text, call.context(), deadline=call.deadline)
    if verdict.action == "block":
        because = f" ({verdict.reason})" if verdict.reason else ""
        raise Blocked(f"the guardrail {found.name} blocked its {way}{because}; change the text, or the guard")
    return str(verdict.text) if verdict.action == "rewrite" else text


def _found(call: StepCall, name: str) -> Registered:
    found = call.scope.catalog.get("guardrail", name)
    if found is None:
        raise NotFound(f"there is no guardrail {name}; see `hubbub plugin list`")
    return found
