"""The cache of a step: what it gave is given again for a while, to the same tenant and parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from runtime.errors import HubbubError
from runtime.graphs.scope import Outcome, StepCall

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


async def cached(call: StepCall, given: Any, act: Callable[[], Awaitable[Outcome]]) -> tuple[Outcome, bool]:
    """Return what the step gave before, and True, or what it gives now; `given` is all that decides that."""
    if call.node.cache is None or call.scope.cache is None:
        return await act(), False
    key = _key(call, given)
    if found := await _get(call, key):
        call.span.set(cache="hit")
        return found, True
    call.span.set(cache="miss")
    outcome = await act()
    await _set(call, key, outcome, call.node.cache)
    return outcome, False


def _key(call: StepCall, given: Any) -> str:
    run = call.scope.run
    graphs = [segment.partition(":")[0] for segment in call.namespace]
    decides = [run.tenant, run.graph, run.version, graphs, call.node.id, given, dict(call.scope.settings)]
    return f"step:{hashlib.sha256(orjson.dumps(decides, default=str, option=_SORTED)).hexdigest()}"


async def _get(call: StepCall, key: str) -> Outcome | None:
    assert call.scope.cache
    try:
        found = await call.scope.cache.get(key)
        return Outcome(**orjson.loads(found)) if found else None
    except (HubbubError, TypeError, ValueError) as error:
        _warn(call, error)
        return None


async def _set(call: StepCall, key: str, outcome: Outcome, seconds: float) -> None:
    assert call.scope.cache
    try:
        value = orjson.dumps({"result": outcome.result, "meta": outcome.meta})
        await call.scope.cache.set(key, value, seconds)
    except (HubbubError, TypeError) as error:
        _warn(call, error)


def _warn(call: StepCall, error: Exception) -> None:
    """A cache that fails is none; the step does its work."""
    call.scope.log.warning("cache of a step failed", step=call.node.id, reason=str(error))
