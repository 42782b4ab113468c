"""What a step does: its parameters filled in, its work, and around it its guardrails and its cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from runtime.errors import StepFailed
from runtime.graphs.agent import AgentParams, agent
from runtime.graphs.cached import cached
from runtime.graphs.file import GraphFile, Node
from runtime.graphs.guards import guarded, holds_back, names_of
from runtime.graphs.inner import no_secret, run_inside
from runtime.graphs.kinds import call_plugin
from runtime.graphs.llm import LlmParams, llm
from runtime.graphs.parameters import Filled, compile_value, fields_of, fixed, is_state_path
from runtime.graphs.scope import Action, Outcome, StepCall
from runtime.graphs.templates import look_up
from runtime.types import Delta

if TYPE_CHECKING:
    from runtime.graphs.text_version import GraphVersion

Act = Callable[[StepCall, Mapping[str, Any]], Awaitable[Outcome]]
"""The work itself, given the parameters."""


def work(file: GraphFile, node: Node, declared: type[Any] | None, secret: Callable[[str], str]) -> Action:
    """Return what a step does; `declared` is the model of what the plugin object that it uses takes."""
    if node.use == "set":
        written = {name: compile_value(raw, secret) for name, raw in node.params.get("set", {}).items()}
        return partial(_set, written)
    if node.use == "fail":
        return partial(_fail, compile_value(node.params["message"], secret))
    if node.use == "llm":
        field = _question_field(file)
        return _Work(node, LlmParams, secret, llm(field), lambda call: call.values.get(field or "")).do
    if node.use == "agent":
        return _Work(node, AgentParams, secret, agent, _nothing).do
    # A plugin's step reads the whole state beside its parameters.
    seen = (lambda call: call.seen) if node.use.startswith("step.") else _nothing
    return _Work(node, declared, secret, lambda call, given: call_plugin(call, node.use, given), seen).do


def inner_work(node: Node, version: GraphVersion | None) -> Action:
    """Return what a step does that runs another graph; None where mocks stand in for it."""
    return _Work(node, None, no_secret, partial(run_inside, version), _nothing).do


def _question_field(file: GraphFile) -> str | None:
    texts = [name for name, one in file.input.items() if one.type == "text" and one.needed]
    return texts[0] if len(texts) == 1 else None


async def _set(written: Mapping[str, Filled], call: StepCall) -> Outcome:
    return Outcome({name: fill(call.values) for name, fill in written.items()})


async def _fail(message: Filled, call: StepCall) -> Outcome:
    raise StepFailed(str(message(call.values)), step=call.node.id, cause_code="failed")


def _nothing(call: StepCall) -> None:
    return None


class _Work:
    """The work of one step.  `reads` returns what decides what it gives, beside its parameters."""

    def __init__(
        self,
        node: Node,
        model: Any,
        secret: Callable[[str], str],
        act: Act,
        reads: Callable[[StepCall], Any],
    ) -> None:
        self._node, self._act, self._reads = node, act, reads
        bare = {name for name, field in fields_of(model).items() if is_state_path(field)}
        self._filled = {
            name: partial(_at, raw.split("."))
            if name in bare and isinstance(raw, str)
            else compile_value(raw, secret)
            for name, raw in node.params.items()
        }
        self._varied = [name for name, raw in node.params.items() if name in bare or not fixed(raw)]

    async def do(self, call: StepCall) -> Outcome:
        """Do it."""
        given = {name: fill(call.values) for name, fill in self._filled.items()}
        if self._node.cache is None and not names_of(call):
            return await self._act(call, given)
        call = replace(call, held=holds_back(call))
        given |= await guarded(call, "input", {name: given[name] for name in self._varied})
        outcome, again = await cached(call, [given, self._reads(call)], partial(self._guarded, call, given))
        streams = self._node.use in ("llm", "agent") and given.get("stream", True)
        if streams and isinstance(outcome.result, str) and (again or call.held):
            call.message().push(Delta(text=outcome.result))
        return outcome

    async def _guarded(self, call: StepCall, given: Mapping[str, Any]) -> Outcome:
        outcome = await self._act(call, given)
        return replace(outcome, result=await guarded(call, "output", outcome.result))


def _at(path: list[str], values: Mapping[str, Any]) -> Any:
    return look_up(values, path)
