"""Running one step: its span, time limit, retries, failure and what it writes to the state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from langgraph.constants import END as LANGGRAPH_END
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy

from runtime.errors import (
    Blocked,
    Forbidden,
    HubbubError,
    InvalidInput,
    LimitExceeded,
    MissingSecret,
    NotFound,
    StepFailed,
)
from runtime.extensions.failures import in_words
from runtime.graphs.decisions import ON_ERROR, Decision
from runtime.graphs.file import END, Node
from runtime.graphs.scope import Action, Outcome, RunScope, StepCall
from runtime.graphs.state import ITEM, Saving
from runtime.records import Effect
from runtime.types import JsonObject

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 10.0
_UNDO_TIMEOUT = 60.0
"""Seconds for one try of a step that undoes another, when it says nothing itself."""
_POINTLESS = (InvalidInput, NotFound, MissingSecret, Forbidden, Blocked)
"""Failures that another try cannot mend."""


def step_function(
    node: Node, action: Action, saving: Saving, plugin: str | None = None, inside: Any = None
) -> Callable[..., Awaitable[Any]]:
    """Return the step as LangGraph calls it; `inside` is the compiled graph that it runs, if it runs one."""

    async def step(state: dict[str, Any], runtime: Runtime[RunScope]) -> Any:
        scope, info = runtime.context, runtime.execution_info
        attempt = info.node_attempt if info else 1
        started = time.monotonic()
        if attempt == 1:
            scope.meter.step()
        found = scope.catalog.get(*plugin.split(".", 1)) if plugin else None
        owner = found.plugin if found else None
        with scope.telemetry.node_span(
            node.id, node.use, owner.name if owner else None, owner.version if owner else None
        ) as span:
            if attempt > 1:
                span.set(retry=attempt - 1)
            deadline = min(scope.deadline, started + node.timeout) if node.timeout else scope.deadline
            more = attempt <= node.retry
            task = info.task_id if info else node.id
            values, around = saving.values(state, scope), namespace(info.checkpoint_ns) if info else ()
            call = StepCall(
                *(node, values, scope, deadline, task, more, span, inside, around),
                seen=state,
                item=state.get(ITEM),
            )
            try:
                update = await _attempt(call, action, saving)
            except GraphBubbleUp:
                raise  # it waits for a person, or is told to stop: no failure
            except Exception as error:
                failed = _failure(node, error)
                if not worth_retrying(failed) and attempt == 1 and scope.run.attempt <= 1:
                    # It was refused before anything was done, and no earlier try may have done it.
                    await call.settle("refused")
                _end_messages(call, failed)
                if node.on_error and isinstance(failed, StepFailed) and not (more and worth_retrying(failed)):
                    span.record(failed)
                    scope.log.warning("step failed, its on_error follows", step=node.id, reason=str(failed))
                    scope.decided(Decision(node.id, ON_ERROR, node.on_error, str(failed)))
                    return Command(goto=langgraph_step(node.on_error))
                raise failed from error
            finally:
                scope.telemetry.metrics.step(node.use, time.monotonic() - started)
        # With on_error there are two ways on, so the step itself says which.
        return Command(update=update, goto=langgraph_step(node.next)) if node.on_error else update

    return step


def langgraph_step(step: str) -> str:
    """Return a step's name as LangGraph knows it: the end has one of its own."""
    return LANGGRAPH_END if step == END else step


async def undo(node: Node, action: Action, values: JsonObject, effect: Effect, scope: RunScope) -> Any:
    """Run the step that undoes another one; StepFailed when its tries are used up."""
    plugin = scope.catalog.get(*node.use.split(".", 1)) if "." in node.use else None
    owner = plugin.plugin if plugin else None
    about = (owner.name, owner.version) if owner else (None, None)
    for attempt in range(1, node.retry + 2):
        with scope.telemetry.node_span(node.id, node.use, *about) as span:
            deadline = time.monotonic() + (node.timeout or _UNDO_TIMEOUT)
            more = attempt <= node.retry
            call = StepCall(
                *(node, values, scope, deadline, f"undo:{effect.task}", more, span),
                namespace=effect.namespace,
            )
            try:
                async with asyncio.timeout_at(call.deadline):
                    return (await action(call)).result
            except Exception as error:
                failed = _failure(node, error)
                if not (more and worth_retrying(failed)):
                    raise failed from error
        await asyncio.sleep(min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)))
    raise AssertionError("the last try returns or raises")


def namespace(step: str) -> tuple[str, ...]:
    """Return where the graph of a step runs, from the step's own place as LangGraph writes it."""
    return tuple(step.split("|")[:-1])


def retry_policy(node: Node) -> RetryPolicy | None:
    """Return how often and when LangGraph tries a step again."""
    if not node.retry:
        return None
    return RetryPolicy(
        initial_interval=_FIRST_WAIT,
        max_interval=_LONGEST_WAIT,
        max_attempts=node.retry + 1,
        retry_on=worth_retrying,
    )


def worth_retrying(error: Exception) -> bool:
    """Whether another try of the step may succeed."""
    return isinstance(error, StepFailed) and not isinstance(error.__cause__, _POINTLESS)


async def _attempt(call: StepCall, action: Action, saving: Saving) -> JsonObject:
    async with asyncio.timeout_at(call.deadline if call.node.timeout else None):
        outcome = await _result(call, action)
        await call.settle("done", outcome.result)
    for sink in call.sinks:
        sink.finish()
    return saving.update(outcome.result, outcome.meta, call.values)


async def _result(call: StepCall, action: Action) -> Outcome:
    stood_in = call.scope.stand_in.result(call) if call.scope.stand_in else None
    return stood_in or await action(call)


def _failure(node: Node, error: Exception) -> HubbubError:
    """Return the failure of a step as a sentence that names it; a used-up limit is the run's."""
    if isinstance(error, LimitExceeded | StepFailed):
        return error
    if isinstance(error, TimeoutError):
        message = (
            f"it took longer than its timeout of {node.timeout:g} s" if node.timeout else "it took too long"
        )
        code = "timeout"
    else:
        message, code = in_words(error), getattr(error, "code", "step_failed")
    failed = StepFailed(f"The step {node.id} failed: {message}.", step=node.id, cause_code=code)
    failed.__cause__ = error
    return failed


def _end_messages(call: StepCall, failed: HubbubError) -> None:
    code = "restarted" if call.more and worth_retrying(failed) else "incomplete"
    for sink in call.sinks:
        sink.fail(code, str(failed))
