"""What a step is given: the run it belongs to, the values it reads, and where its text goes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from runtime.extensions.catalog import Catalog
from runtime.extensions.context import CallContext, Services
from runtime.graphs.counted import CountedServices
from runtime.graphs.decisions import Decision
from runtime.graphs.file import Node
from runtime.records import Effect, Fact, Run
from runtime.settings import GuardrailsSettings
from runtime.telemetry import Span, Telemetry
from runtime.types import Delta, JsonObject, Usage

if TYPE_CHECKING:
    from runtime.ports import Cache, Log
    from runtime.storage import Ledger


class MessageSink(Protocol):
    """One streamed message of a step, on its way to whoever watches the run."""

    id: str

    def push(self, delta: Delta) -> None:
        """Send a piece; never blocks."""

    def finish(self, usage: Usage | None = None) -> None:
        """End the message; it is whole."""

    def fail(self, code: str, message: str) -> None:
        """End the message as a broken one, which viewers drop."""


class Meter(Protocol):
    """Counts what a run uses of its limits."""

    @property
    def max_steps(self) -> int:
        """How many steps the run may take."""

    def step(self) -> None:
        """Count a step that begins; LimitExceeded when it is one too many."""

    def spend(self, usage: Usage, alias: str) -> None:
        """Count what a call of a model cost; LimitExceeded when the run may not cost that much."""


class StandIn(Protocol):
    """Stands in for what the steps of a run would call: nothing outside is asked."""

    def result(self, call: StepCall) -> Outcome | None:
        """Return what the step would have given, or raise its failure; None when it does its own work."""

    def answer(self, step: str) -> Any:
        """Return what a person would have chosen at an approval."""


def _unheard(*_: Any) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RunScope:
    """What the steps of one run share; the worker makes it.  `deadline` is on time.monotonic()."""

    run: Run
    deadline: float
    catalog: Catalog
    services: Services
    telemetry: Telemetry
    log: Log
    messages: Callable[[str, str, tuple[str, ...]], MessageSink]
    """Opens a message of a step, given the step's id, the message's, and the step's namespace."""
    custom: Callable[[str, Any], None]
    settled: Callable[[], Awaitable[None]]
    """Waits until what led to this step is on disk.  Before that nothing may change outside: after a
    crash the run would come here another way, and the change would be made under another key."""
    meter: Meter
    """Counts steps and what models cost; LimitExceeded when the run has used too much."""
    cache: Cache | None = None
    """Where steps with a `cache` keep what they gave; None in a rehearsal."""
    ledger: Ledger | None = None
    """Where steps that can be undone note what they do; None in a rehearsal."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The run's own settings of its graph, where they are not those of the file."""
    decided: Callable[[Decision], None] = _unheard
    """Is told of every branch, approval and handled error, before the run goes on."""
    used: Callable[[str, Usage], None] = _unheard
    """Is told of every call of a model by a step."""
    noted: Callable[[Fact], None] = _unheard
    """Is told of what scorers, recommenders, guardrails and people gave."""
    stand_in: StandIn | None = None
    """None in a real run."""
    guardrails: GuardrailsSettings = field(default_factory=GuardrailsSettings)
    """Those of every run, by name."""

    def note(self, kind: str, name: str, task: str | None = None, **given: Any) -> None:
        """Take down a fact of the run; a task says it once, however often it runs."""
        key = f"{task}:{kind}:{name}" if task else None
        run = self.run
        self.noted(Fact(time.time(), run.tenant, run.id, run.graph, kind, name, key=key, **given))


@dataclass(frozen=True, slots=True)
class StepCall:
    """One try of one step.  `values` holds every declared name; None stands for one that is not set."""

    node: Node
    values: Mapping[str, Any]
    scope: RunScope
    deadline: float
    task: str
    more: bool
    """Whether the step is tried again when this try fails."""
    span: Span
    inside: Any = None
    """The compiled graph that the step runs, if it runs one."""
    namespace: tuple[str, ...] = ()
    """Where the step's graph runs: the tasks around it, none for the graph of the run itself."""
    seen: JsonObject = field(default_factory=dict)
    """The state that `values` were made of."""
    item: int | None = None
    """The number of the item that it is done for, from 0, inside of a map."""
    held: bool = False
    """Whether nothing is shown before the step is done, because a guardrail looks at it then."""
    sinks: list[MessageSink] = field(default_factory=list)

    def message(self, number: int | None = None) -> MessageSink:
        """Open a message, the step's next one or that with a number; it ends with the step at the latest."""
        # The same in every try of the step: viewers put the new message in the place of the broken one.
        id = f"{self.scope.run.id}:{self.node.id}:{self.task[:8]}:{number or len(self.sinks) + 1}"
        self.sinks.append(self.scope.messages(self.node.id, id, self.namespace))
        return self.sinks[-1]

    async def begin(self, arguments: bytes) -> None:
        """Note what the step is about to do outside, if it can be undone; returns when that is on disk."""
        if self.node.undo and self.scope.ledger:
            run, seen = self.scope.run, self.seen
            effect = Effect(run.id, self.task, self.node.id, self.namespace, self._key(arguments), seen)
            await self.scope.ledger.begin(effect, run.fence)

    async def settle(self, state: Literal["done", "refused"], result: Any = None) -> None:
        """Note what became of it."""
        if self.node.undo and self.scope.ledger:
            effect = Effect(self.scope.run.id, self.task, self.node.id, self.namespace, "", {}, state)
            await self.scope.ledger.settle(replace(effect, result=result))

    def _count(self, usage: Usage, alias: str) -> None:
        self.scope.used(self.node.id, usage)
        self.scope.meter.spend(usage, alias)

    def _key(self, arguments: bytes) -> str:
        return f"{self.scope.run.id}:{self.task}:{hashlib.sha256(arguments).hexdigest()[:16]}"

    def context(self, params: Any = None, arguments: bytes = b"") -> CallContext:
        """Return the context of one call of a plugin; `arguments` tell it from the step's other calls."""
        run = self.scope.run
        opened: list[MessageSink] = []

        def emit(delta: Delta) -> None:
            if self.held:
                return
            if not opened:
                opened.append(self.message())
            opened[0].push(delta)

        return CallContext(
            tenant=run.tenant,
            run=run.id,
            thread=run.thread,
            idempotency_key=self._key(arguments),
            deadline=self.deadline,
            params=params,
            log=self.scope.log,
            services=CountedServices(self.scope.services, self._count),
            emitter=emit,
            key=run.options.key,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gives: its result, and what the texts of `save` may read beside it."""

    result: Any
    meta: JsonObject = field(default_factory=dict)


Action = Callable[[StepCall], Awaitable[Outcome]]
"""What a step does, once its parameters are compiled."""
