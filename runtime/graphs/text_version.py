"""A graph file as a version that runs: checked, compiled once, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import orjson

from runtime.graphs.fields import checked_change, checked_input, schema_of
from runtime.graphs.file import GraphFile, Limits
from runtime.graphs.run_config import check_limits, refuse_own_values, settings_of
from runtime.records import Effect, Run
from runtime.types import JsonObject

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.pregel import Pregel
    from langgraph.store.base import BaseStore

    from runtime.graphs.scope import RunScope

ABI = 1
"""Grows when the compiler makes something else of the same file; part of every version."""

_VERSION_LENGTH = 16


def version_hash(
    text: str, params: Mapping[str, type[Any] | None], inside: Mapping[str, GraphVersion]
) -> str:
    """Return the hash of everything that decides what a graph does."""
    decides: dict[str, Any] = {"abi": ABI, "text": text}
    decides["params"] = {use: _schema(model) if model else None for use, model in params.items()}
    decides["inside"] = {name: each.version for name, each in inside.items()}
    digest = hashlib.sha256(orjson.dumps(decides, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return digest[:_VERSION_LENGTH]


def _schema(model: type[Any]) -> JsonObject:
    """Return the JSON Schema of parameters: made once, it is a quarter of what checking a file takes."""
    if (found := _schemas.get(model)) is None:
        found = _schemas[model] = model.model_json_schema()
    return found


_schemas: WeakKeyDictionary[type[Any], JsonObject] = WeakKeyDictionary()
"""Weak, because a plugin that is loaded anew takes its classes along."""

_MODES = ("updates", "values", "tasks", "checkpoints")


@dataclass(frozen=True)
class GraphVersion:
    """One version of a graph, which never changes: `version` is the hash of everything that decides.

    `inside` are the graphs that its steps run, by name, each in the version that belongs to this one.
    A `canary` is what only a share of the threads gets.
    """

    name: str
    version: str
    file: str
    spec: GraphFile
    own_params: Mapping[str, type[Any] | None] = field(repr=False)
    secret: Callable[[str, str], str] = field(repr=False)
    inside: Mapping[str, GraphVersion] = field(default_factory=dict, repr=False)
    canary: bool = False
    _compiled: dict[tuple[int, int], Any] = field(default_factory=dict, repr=False)

    waits_to_act: ClassVar[bool] = True

    @property
    def tells(self) -> tuple[str, ...]:
        """The stream modes that it needs; its text comes straight from the gateway, not through LangGraph."""
        return _MODES if not self._agents else (*_MODES, "tools")

    @cached_property
    def _agents(self) -> bool:
        own = any(node.use == "agent" for node in self.spec.nodes.values())
        return own or any(each._agents for each in self.inside.values())

    @property
    def about(self) -> str:
        """One sentence on what it does."""
        return self.spec.about

    @property
    def limits(self) -> Limits:
        """The bounds of a run."""
        return self.spec.limits

    @property
    def steps(self) -> Sequence[str]:
        """Its steps."""
        return tuple(self.spec.nodes)

    @property
    def conversation(self) -> str | None:
        """The field that messages sent into a run go to; None when the graph keeps no messages."""
        return next((name for name, one in self.spec.fields.items() if one.merge == "messages"), None)

    @cached_property
    def input_schema(self) -> JsonObject:
        """JSON Schema of what a run is given."""
        return schema_of("input", self.spec.input)

    @cached_property
    def output_schema(self) -> JsonObject:
        """JSON Schema of what a run gives."""
        return schema_of("output", {name: self.spec.fields[name] for name in self.spec.output})

    @cached_property
    def state_schema(self) -> JsonObject:
        """JSON Schema of what the steps share."""
        return schema_of("state", self.spec.fields)

    @cached_property
    def config_schema(self) -> JsonObject | None:
        """JSON Schema of the settings that a run may set, in `configurable` or in `context`."""
        fields = self.spec.setting_fields
        return schema_of("settings", fields) if fields else None

    @property
    def context_schema(self) -> JsonObject | None:
        """The same."""
        return self.config_schema

    def validate_input(self, input: JsonObject | None) -> JsonObject:
        """Return a run's input with its defaults; InvalidInput names the first thing that is wrong."""
        return checked_input(self.name, self.spec.input, input)

    def validate_change(self, values: Mapping[str, Any]) -> JsonObject:
        """Return a change of a state, as the state holds it; InvalidInput names the first thing wrong."""
        return checked_change(self.name, self.spec.fields, values)

    def validate_config(self, config: JsonObject) -> None:
        """Refuse values that no step could read."""
        check_limits(config, self.limits)
        if self.spec.setting_fields:
            settings_of(config, self.name, self.spec.setting_fields)
        else:
            refuse_own_values(config)

    def initial(self, input: JsonObject | None) -> JsonObject:
        """Return the state a run with this input begins with."""
        from runtime.graphs.compile import initial_state

        return initial_state(self.spec, input or {})

    def configurable(self, run: Run) -> JsonObject:
        """Return nothing: its steps read `input` and `state`."""
        return {}

    def tries(self, step: str) -> int:
        """Return how often a step is tried at most."""
        return 1 + self.spec.nodes[step].retry

    def context(self, run: Run, scope: RunScope) -> RunScope:
        """Return what its steps are run with: the run's own settings too, if it has any."""
        settings = settings_of(run.config, self.name, self.spec.setting_fields)
        return replace(scope, settings=settings) if settings else scope

    def visible(self, values: Mapping[str, Any] | None) -> JsonObject:
        """Return the declared part of a state: its own, or that of a graph inside."""
        shown = {name: value for name, value in (values or {}).items() if name in self._declared}
        if self._agents:
            # What an agent has in hand are LangChain's messages, streamed as they came; they are no state.
            shown = {name: value for name, value in shown.items() if not _in_hand(value)}
        return shown

    @cached_property
    def _declared(self) -> frozenset[str]:
        return frozenset(self.spec.fields).union(*(each._declared for each in self.inside.values()))

    changes = visible

    def told(self, values: Any) -> bool:
        """Whether this is an item of a map, as `mapping` gives it: its steps have told what they wrote."""
        return isinstance(values, list)

    def output_of(self, values: Mapping[str, Any]) -> JsonObject:
        """Return what a run with this final state gives: exactly the keys of `output`."""
        return {name: values.get(name) for name in self.spec.output}

    async def undo(self, effect: Effect, scope: RunScope) -> JsonObject:
        """Undo one step; returns `{by, result}`: which step did it, and what that gave."""
        from runtime.graphs.compile import undo

        owner, scope = self, self.context(scope.run, scope)
        for segment in effect.namespace:
            if graph := owner._steps_inside.get(segment.partition(":")[0]):
                owner = graph
        return await undo(owner.spec, owner.own_params, owner.secret, effect, scope)

    def drawn(self, xray: bool | int) -> JsonObject:
        """Return its steps and edges."""
        return self.compiled(None).get_graph(xray=xray).to_json()

    def subgraphs(self, *, recurse: bool) -> dict[str, JsonObject]:
        """Return the schemas of the graphs inside, by the steps that lead to them, joined by "|"."""
        found: dict[str, JsonObject] = {}
        for step, version in self._steps_inside.items():
            found[step] = version._schemas
            if recurse:
                deeper = version.subgraphs(recurse=True)
                found |= {f"{step}|{path}": schemas for path, schemas in deeper.items()}
        return found

    @property
    def _steps_inside(self) -> dict[str, GraphVersion]:
        graphs = [node for node in self.spec.nodes.values() if node.use == "graph"]
        return {node.id: self.inside[node.params["graph"]] for node in graphs}

    @property
    def _schemas(self) -> JsonObject:
        return {
            "graph_id": self.name,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "state_schema": self.state_schema,
            "config_schema": self.config_schema,
            "context_schema": self.context_schema,
        }

    def continues(self, version: str) -> bool:
        """Return False: another text or another plugin may decide otherwise."""
        return False

    def compiled(
        self, checkpointer: BaseCheckpointSaver[Any] | None, store: BaseStore | None = None
    ) -> Pregel[Any, Any, Any, Any]:
        """Return it as LangGraph runs it; compiled once for each checkpointer and store."""
        key = id(checkpointer), id(store)
        if key not in self._compiled:
            from runtime.graphs.compile import compile_graph

            builder = compile_graph(self.spec, self.own_params, self.secret, self.inside)
            self._compiled[key] = builder.compile(checkpointer=checkpointer, store=store, name=self.name)
        return self._compiled[key]  # type: ignore[no-any-return]

    @asynccontextmanager
    async def opened(
        self,
        run: Run,
        checkpointer: BaseCheckpointSaver[Any] | None,
        store: BaseStore | None = None,
    ) -> AsyncGenerator[Pregel[Any, Any, Any, Any]]:
        """Give it for one run: the same for every run."""
        yield self.compiled(checkpointer, store)


def _in_hand(value: Any) -> bool:
    return isinstance(value, list) and any(hasattr(each, "model_dump") for each in value)
