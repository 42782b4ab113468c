"""A graph written in Python as a version that runs like one of a text file."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from langgraph.channels import BinaryOperatorAggregate, DeltaChannel
from langgraph.pregel import Pregel
from pydantic import BaseModel, ValidationError

from runtime.errors import InvalidInput, NotFound
from runtime.graphs import schemas
from runtime.graphs.authored import UNNAMED, AuthoredGraph
from runtime.graphs.file import Limits
from runtime.graphs.findings import near
from runtime.graphs.making import is_factory, made
from runtime.graphs.plain import plain, plain_fields
from runtime.graphs.run_config import check_limits, check_values, values_of
from runtime.graphs.topology import fingerprint
from runtime.records import Effect, Run
from runtime.types import JsonObject

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore

    from runtime.graphs.scope import RunScope

MAX_STEPS: Final = 10_000
"""Steps of a run of a graph that sets no `recursion_limit` of its own, as LangGraph has it."""

_TELLS = ("values", "updates", "messages", "tools", "custom", "tasks", "checkpoints")
_PART = 8
_MESSAGES = "messages"
_WAITING = "__interrupt__"
"""Where LangGraph puts what a run waits for, beside the state."""


async def version_of(authored: AuthoredGraph) -> PythonVersion:
    """Make the version of a graph; GraphError when the graph cannot be made.

    A function is called once for this, with an empty config, and what it holds open is closed again:
    reading and drawing need nothing of it.
    """
    async with made(authored, {"configurable": {}}) as graph:
        shape = fingerprint(graph)[:_PART]
        source = hashlib.sha256(_source(authored.file)).hexdigest()[:_PART]
        return PythonVersion(authored, graph, f"{shape}-{source}")


def _source(file: str) -> bytes:
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""


@dataclass(frozen=True)
class PythonVersion:
    """`version` names the shape of the graph and the text of its module.

    `graph` is the one by which it is read and drawn; a function makes another for each run.
    """

    authored: AuthoredGraph
    graph: Pregel[Any, Any, Any, Any] = field(repr=False)
    version: str
    _compiled: dict[tuple[int, int], Any] = field(default_factory=dict, repr=False)

    canary: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.authored.name

    @property
    def about(self) -> str:
        """What `langgraph.json` says of it."""
        return self.authored.about

    @property
    def file(self) -> str:
        """The module it is in."""
        return self.authored.file

    @property
    def tells(self) -> tuple[str, ...]:
        """The stream modes of LangGraph in which it tells what happens."""
        return _TELLS

    @property
    def waits_to_act(self) -> bool:
        """Return False: nobody knows what its steps do."""
        return False

    @property
    def steps(self) -> Sequence[str]:
        """Its steps."""
        return tuple(name for name in self.graph.nodes if not name.startswith("__"))

    @cached_property
    def limits(self) -> Limits:
        """Its own `recursion_limit`; there are no others."""
        return Limits(max_steps=(self.graph.config or {}).get("recursion_limit", MAX_STEPS))

    # ----------------------------------------------------------------- schemas

    @cached_property
    def input_schema(self) -> JsonObject:
        """JSON Schema of what a run is given."""
        return schemas.input_schema(self.graph)

    @cached_property
    def output_schema(self) -> JsonObject:
        """JSON Schema of what a run gives."""
        return schemas.output_schema(self.graph)

    @cached_property
    def state_schema(self) -> JsonObject:
        """JSON Schema of what the steps share."""
        return schemas.state_schema(self.graph)

    @property
    def config_schema(self) -> JsonObject | None:
        """Clients of before `context` put its values into `configurable`."""
        return self.context_schema

    @cached_property
    def context_schema(self) -> JsonObject | None:
        """JSON Schema of what a run may be given beside its input."""
        return schemas.context_schema(self.graph)

    # ----------------------------------------------------------------- what a run is given

    def validate_input(self, input: JsonObject | None) -> JsonObject:
        """Return the input as it was sent; InvalidInput when no field of it is one of the graph's."""
        given = input or {}
        known = self.input_schema.get("properties", {})
        if known and not any(name in known for name in given):
            unknown = next(iter(given), "")
            told = f"has no {unknown}; {near(unknown, known)}" if unknown else f"needs {', '.join(known)}"
            raise InvalidInput(f"The input of {self.name} {told}.")
        schema = getattr(getattr(self.graph, "builder", None), "input_schema", None)
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            self._validate(schema, given)
        return given

    def validate_change(self, values: Mapping[str, Any]) -> JsonObject:
        """Return a change of a state; InvalidInput when it has no such field."""
        known = self.graph.stream_channels_list
        for name in values:
            if name not in known:
                raise InvalidInput(f"The state of {self.name} has no {name[:100]}; {near(name, known)}")
        return dict(values)

    def validate_config(self, config: JsonObject) -> None:
        """Refuse a context that does not fit, and what is LangGraph's own."""
        check_limits(config, self.limits)
        check_values(config, self.graph.context_schema)

    def initial(self, input: JsonObject | None) -> Any:
        """Return the input as the graph takes it."""
        given = input or {}
        return given if self._takes_object else given[schemas.INPUT]

    @cached_property
    def conversation(self) -> str | None:
        """Its field `messages`, if what is written there is added to what it holds."""
        channel = self.graph.channels.get(_MESSAGES)
        return _MESSAGES if isinstance(channel, BinaryOperatorAggregate | DeltaChannel) else None

    def tries(self, step: str) -> int:
        """Return how often a step is tried at most."""
        node = self.graph.nodes.get(step)
        return max((policy.max_attempts for policy in (node and node.retry_policy) or ()), default=1)

    def configurable(self, run: Run) -> JsonObject:
        """Return the run's own values, and the names that the other server gives the graph."""
        about = {"graph_id": self.name, "assistant_id": self.name}
        return {**(run.config.get("context") or {}), **values_of(run.config), **about}

    def context(self, run: Run, scope: RunScope) -> Any:
        """Return what its steps find as `runtime.context`; without one, what `configurable` says of it."""
        if (given := run.config.get("context")) is not None or self.context_schema is None:
            return given
        known = self.context_schema.get("properties", {})
        return {name: value for name, value in values_of(run.config).items() if name in known} or None

    @cached_property
    def _takes_object(self) -> bool:
        return schemas.takes_object(self.graph)

    def _validate(self, schema: type[BaseModel], given: JsonObject) -> None:
        try:
            schema.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "input"
            raise InvalidInput(f"The input of {self.name} is wrong at {where}: {first['msg']}.") from None

    # ----------------------------------------------------------------- what it gives

    def visible(self, values: Any) -> JsonObject:
        """Return a state as JSON; a result that is no object is its field `output`."""
        if values is None:
            return {}
        if not isinstance(values, Mapping):
            values = plain(values, f"The result of {self.name}")
        if isinstance(values, Mapping):
            shown = {name: value for name, value in values.items() if name != _WAITING}
            return plain_fields(shown, f"the state of {self.name}")
        return {schemas.OUTPUT: values}

    def changes(self, values: Any) -> JsonObject:
        """Return what a step wrote as JSON; what is no object is its field `value`."""
        if isinstance(values, Mapping):
            return plain_fields(values, f"the state of {self.name}")
        return {} if values is None else {"value": plain(values, f"What a step of {self.name} wrote")}

    def told(self, values: Any) -> bool:
        """Return False: every task is told of."""
        return False

    def output_of(self, values: Mapping[str, Any]) -> JsonObject:
        """Return the declared output."""
        keys = self.graph.output_channels
        return dict(values) if isinstance(keys, str) else {key: values.get(key) for key in keys}

    def drawn(self, xray: bool | int) -> JsonObject:
        """Return its steps and edges; with `xray` those of the graphs inside too, so many levels deep."""
        return self.graph.get_graph(xray=xray).to_json()

    def subgraphs(self, *, recurse: bool) -> dict[str, JsonObject]:
        """Return the schemas of the graphs inside."""
        return {
            name: schemas.all_schemas(inner)
            for name, inner in self.graph.get_subgraphs(recurse=recurse)
            if isinstance(inner, Pregel)
        }

    async def undo(self, effect: Effect, scope: RunScope) -> JsonObject:
        """Refuse: its steps do not say how they are undone."""
        raise NotFound(f"{self.name} does not say how {effect.step} is undone; undo it by hand.")

    def continues(self, version: str) -> bool:
        """Whether a run that began with that version can go on: the shape is the same, maybe not the text."""
        return version.partition("-")[0] == self.version.partition("-")[0]

    # ----------------------------------------------------------------- the graph

    def compiled(
        self, checkpointer: BaseCheckpointSaver[Any] | None, store: BaseStore | None = None
    ) -> Pregel[Any, Any, Any, Any]:
        """Return it with our checkpointer and store in place of its own."""
        key = id(checkpointer), id(store)
        if key not in self._compiled:
            self._compiled[key] = self._ours(self.graph, checkpointer, store)
        return self._compiled[key]  # type: ignore[no-any-return]

    @asynccontextmanager
    async def opened(
        self,
        run: Run,
        checkpointer: BaseCheckpointSaver[Any] | None,
        store: BaseStore | None = None,
    ) -> AsyncGenerator[Pregel[Any, Any, Any, Any]]:
        """Give the graph for one run; a function is called with the run's config."""
        if not is_factory(self.authored):
            yield self.compiled(checkpointer, store)
            return
        asked = {key: run.config[key] for key in ("tags", "metadata") if run.config.get(key)}
        about = {"thread_id": run.thread, "run_id": run.id}
        async with made(self.authored, {**asked, "configurable": self.configurable(run) | about}) as graph:
            yield self._ours(graph, checkpointer, store)

    def _ours(
        self,
        graph: Pregel[Any, Any, Any, Any],
        checkpointer: BaseCheckpointSaver[Any] | None,
        store: BaseStore | None,
    ) -> Pregel[Any, Any, Any, Any]:
        update: dict[str, Any] = {"checkpointer": checkpointer}
        if store is not None:
            update["store"] = store
        if graph.name == UNNAMED:
            update["name"] = self.name
        return graph.copy(update=update)
