"""From a checked graph file to a LangGraph `StateGraph`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, interrupt

from runtime.errors import InvalidInput, StepFailed
from runtime.graphs import waiting
from runtime.graphs.approval import decision_of, question, schema_of
from runtime.graphs.bodies import item_names, reached
from runtime.graphs.conditions import Condition, compile_condition
from runtime.graphs.decisions import Decision, branch_key, why_else, why_held, why_not
from runtime.graphs.file import GraphFile, Node
from runtime.graphs.kinds import KINDS
from runtime.graphs.mapping import gathered, map_action
from runtime.graphs.parameters import Filled, compile_value
from runtime.graphs.scope import Action, RunScope
from runtime.graphs.state import EMPTY, ITEM, LOOPS, Saving, counts_loops, merge_loops, reducer
from runtime.graphs.steps import langgraph_step, retry_policy, step_function
from runtime.graphs.steps import undo as undo_step
from runtime.graphs.work import inner_work, work
from runtime.records import Effect
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.graphs.text_version import GraphVersion

LookUpSecret = Callable[[str, str], str]
"""Gives the secret behind a reference; the second text says who needs it."""


def compile_graph(
    file: GraphFile,
    own_params: Mapping[str, type[Any] | None],
    secret: LookUpSecret,
    inside: Mapping[str, GraphVersion] = MappingProxyType({}),
) -> StateGraph[Any, RunScope, Any, Any]:
    """Return the graph, without a checkpointer yet; the file has passed its check.

    `own_params` are the models of the parameters that each used plugin object declares, by `use`; `inside`
    are the graphs that its steps run, but for a rehearsal, in which mocks stand in for them.
    """
    return _Compiler(file, own_params, secret, inside).graph(file.start)


async def undo(
    file: GraphFile,
    own_params: Mapping[str, type[Any] | None],
    secret: LookUpSecret,
    effect: Effect,
    scope: RunScope,
) -> JsonObject:
    """Undo a step; returns `{by, result}`: the step that did it, and what that gave."""
    done = file.nodes[effect.step]
    assert done.undo
    compiler, items = _Compiler(file, own_params, secret), item_names(file.nodes)
    saved = Saving(file, done, items.get(done.id, ()))
    state = dict(effect.values)
    if effect.state == "done":
        state |= saved.update(effect.result, {}, saved.values(state, scope))
    node = file.nodes[done.undo]
    values = Saving(file, node, items.get(node.id, ())).values(state, scope)
    values |= {"result": effect.result, "meta": {"step": done.id, "key": effect.key}}
    return {"by": node.id, "result": await undo_step(node, compiler.action(node), values, effect, scope)}


class _Compiler:
    """Makes the graphs of one file: its own, and those of the bodies of its maps."""

    def __init__(
        self,
        file: GraphFile,
        own_params: Mapping[str, type[Any] | None],
        secret: LookUpSecret,
        inside: Mapping[str, GraphVersion] = MappingProxyType({}),
    ) -> None:
        self._file, self._own_params, self._secret, self._inside = file, own_params, secret, inside
        self._items = item_names(file.nodes)

    def graph(self, start: str) -> StateGraph[Any, RunScope, Any, Any]:
        """Return the graph of the steps that are reached from this one."""
        items = self._items.get(start, ())
        schema, told = _schema(self._file, items), gathered(self._file) if items else ()
        # What an item is told of is what it has gathered, not all the state that it reads.
        output = TypedDict("gathered", dict.fromkeys(told, Any)) if told else None  # type: ignore[operator]
        builder: StateGraph[Any, RunScope, Any, Any] = StateGraph(
            schema, context_schema=RunScope, output_schema=output
        )
        for id in reached(self._file.nodes, start):
            self._add(builder, self._file.nodes[id])
        builder.add_edge(START, start)
        return builder

    def _add(self, builder: StateGraph[Any, RunScope, Any, Any], node: Node) -> None:
        saving = Saving(self._file, node, self._items.get(node.id, ()))
        if node.use in _DECIDING:
            step = _DECIDING[node.use](self._file, node, saving)
            builder.add_node(node.id, step, destinations=_ends(node))
            return
        if node.use == "wait":
            fill = compile_value(node.params, partial(_needed_by, self._secret, self._file, node))
            builder.add_node(node.id, _wait(node, saving, fill))
            builder.add_edge(node.id, langgraph_step(node.next))
            return
        plugin = node.use if node.use.partition(".")[0] in KINDS and "." in node.use else None
        builder.add_node(
            node.id,
            step_function(node, self.action(node), saving, plugin, self._graph_inside(node)),
            retry_policy=retry_policy(node),
            destinations=_ends(node) if node.on_error else None,
        )
        if not node.on_error:
            builder.add_edge(node.id, langgraph_step(node.next))

    def _graph_inside(self, node: Node) -> Any:
        """Return the compiled graph that a step runs, if it runs one."""
        if node.each:
            return self.graph(node.each.do).compile(name=node.each.do)
        version = self._inside.get(node.params["graph"]) if node.use == "graph" else None
        return version.compiled(None) if version else None

    def action(self, node: Node) -> Action:
        """Return what a step does."""
        if node.each:
            return map_action(self._file, node.each, self._items.get(node.id, ()))
        if node.use == "graph":
            return inner_work(node, self._inside.get(node.params["graph"]))
        secret = partial(_needed_by, self._secret, self._file, node)
        return work(self._file, node, self._own_params.get(node.use), secret)


def initial_state(file: GraphFile, input: JsonObject) -> JsonObject:
    """Return the state a run begins with: its input, and every field but conversations as declared.

    A thread keeps what its last run left; a run does not begin with it, or an answer could carry the
    sources of another question.
    """
    state: JsonObject = dict(input)
    for name, one in file.state.items():
        if one.merge in (None, "last"):
            state[name] = one.default
        elif one.merge != "messages":
            state[name] = Overwrite(EMPTY.get(one.merge) if one.default is None else one.default)
    if counts_loops(file):
        state[LOOPS] = Overwrite({})
    return state


def _schema(file: GraphFile, items: Sequence[str]) -> type[Any]:
    members: dict[str, Any] = dict.fromkeys([*items, ITEM] if items else [], Any)
    for name, one in file.fields.items():
        # The type matters: a channel without a first value would keep an Overwrite as it is.
        merge = reducer(one)
        members[name] = Annotated[type(EMPTY.get(one.merge or "")), merge] if merge else Any
    if counts_loops(file):
        members[LOOPS] = Annotated[dict[str, int], merge_loops]
    return TypedDict(f"{file.name} state", members)  # type: ignore[operator,no-any-return]


def _needed_by(secret: LookUpSecret, file: GraphFile, node: Node, reference: str) -> str:
    return secret(reference, f"the step {node.id} of the graph {file.name}")


def _ends(node: Node) -> tuple[str, ...]:
    return tuple(dict.fromkeys(langgraph_step(step) for step in node.targets))


# --------------------------------------------------------------------------- branches


def _branch(file: GraphFile, node: Node, saving: Saving) -> Callable[..., Awaitable[Command[str]]]:
    """Return a step that writes nothing and says where the run goes on."""
    fields = {**file.fields, **file.setting_fields, **saving.items}
    ways = [
        (way.go, compile_condition(way.condition, fields) if way.condition else None) for way in node.ways
    ]

    async def branch(state: dict[str, Any], runtime: Any) -> Command[str]:
        scope: RunScope = runtime.context
        scope.meter.step()
        with scope.telemetry.node_span(node.id, node.use) as span:
            loops = state.get(LOOPS, {}).get(node.id, 0) + 1
            if node.max_loops is not None and loops > node.max_loops:
                why = f"else, because the run was here {node.max_loops} times before (max_loops)"
                decision = Decision(node.id, branch_key(len(ways) - 1), ways[-1][0], why)
            else:
                decision = _decide(node, ways, saving.values(state, scope))
            span.set(branch=decision.go, reason=decision.why, missing="; ".join(decision.missing) or None)
            scope.decided(decision)
        update = {LOOPS: {node.id: loops}} if node.max_loops is not None else None
        return Command(goto=langgraph_step(decision.go), update=update)

    # LangGraph hands over the runtime by the annotation, which it cannot read from a closure's text.
    branch.__annotations__["runtime"] = Runtime[RunScope]
    return branch


def _approve(file: GraphFile, node: Node, saving: Saving) -> Callable[..., Awaitable[Command[str]]]:
    """Return a step that waits for a person's choice, and goes where it leads."""
    assert node.approval
    approval = node.approval

    async def approve(state: dict[str, Any], runtime: Any) -> Command[str]:
        scope: RunScope = runtime.context
        values = saving.values(state, scope)
        # Outside the span: to ask raises what is no error.
        if scope.stand_in:
            answer = scope.stand_in.answer(node.id)
        else:
            answer = interrupt(question(node.id, approval, values), response_schema=schema_of(approval))
        scope.meter.step()
        with scope.telemetry.node_span(node.id, node.use) as span:
            decision = decision_of(answer)
            choice = decision["choice"]
            span.set(branch=choice)
            update = saving.update(decision, {}, values)
            scope.decided(Decision(node.id, choice, approval.choices[choice], f"{choice} was chosen"))
            info = runtime.execution_info
            scope.note("approval", node.id, info.task_id if info else None, label=choice)
        return Command(goto=langgraph_step(approval.choices[choice]), update=update)

    approve.__annotations__["runtime"] = Runtime[RunScope]
    return approve


def _wait(node: Node, saving: Saving, fill: Filled) -> Callable[..., Awaitable[None]]:
    """Return a step that lets time pass: in its place for a moment, else as if it waited for a person."""

    async def wait(state: dict[str, Any], runtime: Any) -> None:
        scope: RunScope = runtime.context
        with scope.telemetry.node_span(node.id, node.use):
            now = time.time()
            ends = waiting.until(fill(saving.values(state, scope)), now)
        if not scope.stand_in and ends - now > waiting.SHORT:
            interrupt(waiting.question(node.id, ends), response_schema=waiting.schema())
        elif not scope.stand_in:
            await asyncio.sleep(ends - now)
        scope.meter.step()

    wait.__annotations__["runtime"] = Runtime[RunScope]
    return wait


_DECIDING = {"branch": _branch, "approve": _approve}
"""Steps that say themselves where the run goes on."""


def _decide(node: Node, ways: Sequence[tuple[str, Condition | None]], values: Mapping[str, Any]) -> Decision:
    try:
        return _choose(node, ways, values)
    except InvalidInput as error:
        message = f"The step {node.id} failed: {error}."
        raise StepFailed(message, step=node.id, cause_code=error.code) from error


def _choose(node: Node, ways: Sequence[tuple[str, Condition | None]], values: Mapping[str, Any]) -> Decision:
    """Return the first way whose condition holds; the last one has none."""
    passed, without = list[str](), list[str]()
    for number, (go, condition) in enumerate(ways):
        if condition is None:
            return Decision(node.id, branch_key(number), go, why_else(passed), tuple(without))
        holds, missing = condition.holds(values)
        if holds:
            return Decision(node.id, branch_key(number), go, why_held(condition, values), tuple(without))
        passed.append(why_not(condition, values, missing))
        if missing:
            without.append(condition.text)
    raise AssertionError("a branch ends with else")
