"""What a run needs to know of its graph, be it a text file or written in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from runtime.graphs.file import Limits
from runtime.records import Effect, Run
from runtime.types import JsonObject

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.pregel import Pregel
    from langgraph.store.base import BaseStore

    from runtime.graphs.scope import RunScope

CONFIG_KEYS = frozenset({"tags", "metadata", "configurable", "recursion_limit", "context"})
"""What the config of a run may hold."""

OURS = frozenset(
    (
        *("thread_id", "run_id", "graph_id", "assistant_id", "fence", "sync"),
        *("checkpoint_ns", "checkpoint_id", "checkpoint_map"),
    )
)
"""What the hub itself says in `configurable`; clients repeat it, and it is not theirs to set."""


class Version(Protocol):
    """One version of a graph, which never changes."""

    @property
    def name(self) -> str:
        """Its name, which is also the assistant's id."""

    @property
    def version(self) -> str:
        """The hash of everything that decides."""

    @property
    def canary(self) -> bool:
        """Whether only a share of the threads gets it."""

    @property
    def about(self) -> str:
        """One sentence on what it does, or ""."""

    @property
    def file(self) -> str:
        """Where it is written."""

    @property
    def limits(self) -> Limits:
        """The bounds of a run."""

    @property
    def input_schema(self) -> JsonObject:
        """JSON Schema of what a run is given."""

    @property
    def output_schema(self) -> JsonObject:
        """JSON Schema of what a run gives."""

    @property
    def state_schema(self) -> JsonObject:
        """JSON Schema of what the steps share."""

    @property
    def config_schema(self) -> JsonObject | None:
        """JSON Schema of `configurable`; None when a run takes none."""

    @property
    def context_schema(self) -> JsonObject | None:
        """JSON Schema of `context`; None when a run takes none."""

    @property
    def tells(self) -> tuple[str, ...]:
        """The stream modes of LangGraph in which it tells what happens."""

    @property
    def waits_to_act(self) -> bool:
        """Whether no step changes anything outside before what led to it is on disk."""

    @property
    def steps(self) -> Sequence[str]:
        """Its steps."""

    @property
    def conversation(self) -> str | None:
        """The field that keeps messages, into which one can be sent while it runs."""

    def tries(self, step: str) -> int:
        """Return how often a step is tried at most."""

    def validate_input(self, input: JsonObject | None) -> JsonObject:
        """Return a run's input with its defaults; InvalidInput names the first thing that is wrong."""

    def validate_change(self, values: Mapping[str, Any]) -> JsonObject:
        """Return a change of a state, as the state holds it; InvalidInput names the first thing wrong."""

    def validate_config(self, config: JsonObject) -> None:
        """Refuse a config that a run cannot have; InvalidInput says what."""

    def initial(self, input: JsonObject | None) -> Any:
        """Return what LangGraph is given to begin a run with this input."""

    def configurable(self, run: Run) -> JsonObject:
        """Return what a run's steps find in `config["configurable"]` beside the run's ids."""

    def context(self, run: Run, scope: RunScope) -> Any:
        """Return what a run's steps find as `runtime.context`."""

    def visible(self, values: Any) -> JsonObject:
        """Return the part of a state that people see, as JSON."""

    def changes(self, values: Any) -> JsonObject:
        """Return what a step wrote, as JSON."""

    def told(self, values: Any) -> bool:
        """Whether what a task gave has been told by the steps that it ran."""

    def output_of(self, values: Mapping[str, Any]) -> JsonObject:
        """Return what a run with this visible final state gives."""

    def drawn(self, xray: bool | int) -> JsonObject:
        """Return its steps and edges; with `xray` those of the graphs inside too, so many levels deep."""

    def subgraphs(self, *, recurse: bool) -> dict[str, JsonObject]:
        """Return the schemas of the graphs inside, by the steps that lead to them, joined by "|"."""

    async def undo(self, effect: Effect, scope: RunScope) -> JsonObject:
        """Undo one step; returns `{by, result}`: which step did it, and what that gave."""

    def continues(self, version: str) -> bool:
        """Whether a run that began with another version of the graph can go on with this one."""

    def compiled(
        self, checkpointer: BaseCheckpointSaver[Any] | None, store: BaseStore | None = None
    ) -> Pregel[Any, Any, Any, Any]:
        """Return it as LangGraph reads and draws it; made once for each checkpointer and store."""

    def opened(
        self,
        run: Run,
        checkpointer: BaseCheckpointSaver[Any] | None,
        store: BaseStore | None = None,
    ) -> AbstractAsyncContextManager[Pregel[Any, Any, Any, Any]]:
        """Give it for one run; it may be made for that run alone."""


class Versions(Protocol):
    """Where the versions of graphs are."""

    async def get(self, name: str, thread: str = "") -> Version:
        """Return the version for what is new on a thread; NotFound."""

    async def version(self, name: str, version: str) -> Version:
        """Return that version; NotFound when it is gone."""
