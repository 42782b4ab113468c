"""Executes one run: drives the compiled LangGraph graph and tells the thread's channel what happens."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained, GraphRecursionError
from langgraph.runtime import RunControl
from langgraph.store.base import BaseStore
from langgraph.types import Command

from runtime.errors import HubbubError, LimitExceeded
from runtime.extensions.catalog import Catalog
from runtime.extensions.context import Services
from runtime.extensions.failures import in_words
from runtime.graphs.guards import screened
from runtime.graphs.scope import RunScope
from runtime.graphs.version import Version, Versions
from runtime.journal.checkpoints import JournalSaver
from runtime.ports import Cache
from runtime.records import Fact, ModelCall, Run, RunStatus
from runtime.runs.answers import merged
from runtime.runs.channel import Channel, Draft
from runtime.runs.commands import command_of
from runtime.runs.control import Control
from runtime.runs.messages import MessageWriter
from runtime.runs.meter import Meter
from runtime.runs.narrator import Narrator
from runtime.runs.notes import Notes
from runtime.runs.questions import Questions
from runtime.runs.run import Ending, describe
from runtime.runs.saga import Saga
from runtime.runs.states import written_by
from runtime.settings import GuardrailsSettings
from runtime.storage import Ledger
from runtime.store.adapter import enter_tenant
from runtime.telemetry import Span, Telemetry, get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)

_SAID = frozenset({"resume", "update"})
"""The parts of a command that people or clients write."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What every run is executed with."""

    graphs: Versions
    saver: JournalSaver
    services: Services
    telemetry: Telemetry
    timeout: float
    """Seconds a run may take when its graph sets no shorter limit."""
    ledger: Ledger
    """Where steps that can be undone note what they do."""
    cache: Cache
    """Where steps keep what they gave."""
    record: Callable[[ModelCall], None]
    """Is told of the models that steps written in Python call beside the gateway."""
    note: Callable[[Fact], None]
    """Is told of what scorers, recommenders, guardrails and people gave."""
    store: BaseStore | None = None
    """What steps written in Python find as `runtime.store`."""
    guardrails: GuardrailsSettings = field(default_factory=GuardrailsSettings)
    """Those of every run."""

    async def execute(self, run: Run, channel: Channel, catalog: Catalog, control: Control) -> Ending:
        """Run the graph to its end, or to where it waits.  Never raises but for cancellation."""
        open_messages, notes = list[MessageWriter](), Notes()
        enter_tenant(run.tenant)
        try:
            version = await self.graphs.version(run.graph, run.version)
            meter = await self._meter(run, version)
            async with asyncio.timeout(min(version.limits.timeout or self.timeout, self.timeout)) as limit:
                deadline = _monotonic(limit.when())
                scope = self._scope(run, channel, catalog, meter, open_messages, deadline, notes)
                begun = partial(self._begin, run, open_messages)
                with (
                    self._span(run) as span,
                    closing(
                        Narrator(run, version, channel, begun, self.telemetry, notes, self.record)
                    ) as told,
                ):
                    ending = await _Execution(self, run, version, told, scope, control).carry()
                    span.set(status=ending.status.value)
            return ending
        except TimeoutError:
            sentence = (
                "The run took longer than its limit; raise limits.timeout of the graph or [runs] timeout."
            )
            return Ending(RunStatus.TIMEOUT, error=describe(LimitExceeded(sentence, limit="timeout"), run.id))
        except GraphRecursionError:
            sentence = (
                "The run took more steps than limits.max_steps of its graph allows (recursion_limit of one "
                "written in Python); raise it, or mend the loop."
            )
            return Ending(RunStatus.ERROR, error=describe(LimitExceeded(sentence, limit="max_steps"), run.id))
        except Exception as error:
            described = describe(error, run.id)
            if described["code"] == "internal":
                _log.error("run failed inside the engine", exc_info=error)
            return Ending(RunStatus.ERROR, error=described)
        finally:
            for message in open_messages:
                if control.leaving:
                    message.fail("restarted", "The hub stops; this is written again by the next one.")
                else:
                    message.fail("incomplete", "The run ended before this message did.")

    async def left_to_undo(self, run: Run) -> Ending | None:
        """Return how a run ends that was being undone when its process stopped."""
        stored = await self.ledger.ending(run.id)
        return Ending(**{**stored, "status": RunStatus(stored["status"])}) if stored else None

    async def undo(self, run: Run, channel: Channel, catalog: Catalog, ending: Ending) -> Ending:
        """Undo what a failed run has done outside; returns its ending, with what could not be undone."""
        if not await self.ledger.effects(run.id):
            return ending
        about = {"status": ending.status.value, "error": ending.error, "roll_back": ending.roll_back}
        await self.ledger.end(run.id, about)

        def tell(payload: JsonObject, namespace: tuple[str, ...]) -> None:
            channel.durable(run.id, [Draft("custom", {"name": "undo", "payload": payload}, namespace)])

        enter_tenant(run.tenant)
        scope = self._scope(run, channel, catalog, Meter(sys.maxsize), [], math.inf, Notes())
        try:
            version = await self.graphs.version(run.graph, run.version)
        except HubbubError as error:
            failures = [f"What the run did could not be undone ({in_words(error)}); undo it by hand."]
        else:
            with self._span(run):
                failures = await Saga(self.ledger, version, scope, tell).undo()
        if not failures or ending.error is None:
            return ending
        message = " ".join([ending.error["message"], *failures])
        return replace(ending, error={**ending.error, "message": message})

    async def _meter(self, run: Run, version: Version) -> Meter:
        """Return what counts for the run, with what its earlier executions have used."""
        before = await self.ledger.used(run.id) if run.fence > 1 else (0, 0.0)
        steps = run.config.get("recursion_limit") or version.limits.max_steps
        return Meter(steps, version.limits.max_cost_usd, *before)

    def _span(self, run: Run) -> Span:
        """Open the workflow's span: in the request's trace, or after a crash in one linked to it."""
        again = run.fence > 1
        return self.telemetry.workflow_span(
            *(run.graph, run.version, run.attempt),
            canary=run.options.canary,
            run=run.id,
            thread=run.thread,
            tenant=run.tenant,
            parent=None if again else run.traceparent,
            links=(run.traceparent,) if again else (),
        )

    def _begin(self, run: Run, open_messages: list[MessageWriter], message: MessageWriter) -> None:
        """Note a message that begins with its first token."""
        open_messages.append(message)
        if len(open_messages) == 1 and run.attempt == 1:
            self.telemetry.metrics.first_token(time.time() - run.created_at)

    def _scope(
        self,
        run: Run,
        channel: Channel,
        catalog: Catalog,
        meter: Meter,
        open_messages: list[MessageWriter],
        deadline: float,
        notes: Notes,
    ) -> RunScope:
        def first_token() -> None:
            if len(open_messages) == 1 and run.attempt == 1:
                self.telemetry.metrics.first_token(time.time() - run.created_at)

        def messages(step: str, id: str, namespace: tuple[str, ...]) -> MessageWriter:
            about = {"run_id": run.id, "thread_id": run.thread, "langgraph_node": step}
            # Clients tell open messages apart by their node, so two at once may not have the same.
            taken = any(each.node == step and not each.ended for each in open_messages)
            message = MessageWriter(channel, run.id, id, about, first_token, namespace, id if taken else step)
            open_messages.append(message)
            return message

        return RunScope(
            run=run,
            deadline=deadline,
            catalog=catalog,
            services=self.services,
            telemetry=self.telemetry,
            log=_log,
            messages=messages,
            custom=lambda name, payload: _custom(channel, run, name, payload),
            settled=partial(self.saver.settled, run.thread, run.id),
            meter=meter,
            cache=self.cache,
            ledger=self.ledger,
            decided=notes.decided,
            used=notes.used,
            noted=self.note,
            guardrails=self.guardrails,
        )


@dataclass(slots=True)
class _Execution:
    """One execution: from where the run stands to its end, or to where it waits."""

    worker: Worker
    run: Run
    version: Version
    told: Narrator
    scope: RunScope
    control: Control
    questions: Questions = field(default_factory=Questions)
    taken: int = 0
    """How many of the messages sent into the run its state holds."""

    async def carry(self) -> Ending:
        """Drive the graph; a message that is sent into it is taken in at the next step boundary."""
        given, checkpoint = await self._beginning()
        async with self.version.opened(self.run, self.worker.saver, self.worker.store) as graph:
            while True:
                try:
                    await self._drive(graph, given, checkpoint)
                except GraphDrained:
                    if self.control.leaving:
                        return Ending(RunStatus.ACCEPTED)
                if not (injected := self.control.injected[self.taken :]):
                    return await self._ending(graph)
                self.taken += len(injected)
                said = await screened(self.scope, "input", list(injected))
                given, checkpoint = Command(update={self.version.conversation: said}), None

    async def _beginning(self) -> tuple[Any, str | None]:
        """Return what LangGraph is given, and the checkpoint it begins from when that is not the newest."""
        run, options = self.run, self.run.options
        # Only a run that was claimed before can have got further.
        if run.fence > 1 and await self._has_begun():
            return None, None
        if command := options.command:
            said = {
                name: await screened(self.scope, "input", command.get(name))
                for name in _SAID & command.keys()
            }
            return command_of({**command, **said}), options.checkpoint
        if run.input is None:
            return None, options.checkpoint
        return self.version.initial(await screened(self.scope, "input", run.input)), options.checkpoint

    async def _has_begun(self) -> bool:
        """Whether a step of this turn of the run is in the newest checkpoint."""
        found = await self.worker.saver.aget_tuple({"configurable": {"thread_id": self.run.thread}})
        if found is None or found.metadata.get("run_id") != self.run.id:
            return False
        made = found.metadata
        self.taken = made.get("injected", 0)  # type: ignore[assignment]
        return made.get("turn") == self.run.options.turn

    async def _drive(self, graph: Any, given: Any, checkpoint: str | None) -> None:
        run, options = self.run, self.run.options
        stop = RunControl()
        self.control.listen(stop.request_drain, self.taken)
        stream = graph.astream(
            given,
            self._config(checkpoint),
            context=self.version.context(run, self.scope),
            stream_mode=list(self.version.tells),
            subgraphs=True,
            durability="sync" if options.sync else "async",
            interrupt_before=_steps(options.interrupt_before),
            interrupt_after=_steps(options.interrupt_after),
            control=stop,
        )
        try:
            async with aclosing(_generator(stream)) as parts:
                async for namespace, mode, part in parts:
                    if mode == "updates" and "__interrupt__" in part:
                        self.questions.add(namespace, part["__interrupt__"])
                    else:
                        self.told.take(namespace, mode, part)
        except GraphDrained:
            raise
        except Exception as error:
            if (failed := self.told.failure(error)) is error:
                raise
            raise failed from error

    def _config(self, checkpoint: str | None = None) -> RunnableConfig:
        run, asked = self.run, self.run.config
        configurable = self.version.configurable(run)
        configurable |= {"thread_id": run.thread, "run_id": run.id, "fence": run.fence}
        if checkpoint:
            configurable["checkpoint_id"] = checkpoint
        if run.options.sync:
            configurable["sync"] = True
        about = {"run_id": run.id, "turn": run.options.turn, "injected": self.taken}
        return {
            "configurable": configurable,
            "metadata": {**asked.get("metadata", {}), **written_by(self.version), **about},
            "recursion_limit": asked.get("recursion_limit") or self.version.limits.max_steps,
            "tags": asked.get("tags", []),
            "callbacks": self.told.callbacks,
        }

    async def _ending(self, graph: Any) -> Ending:
        if self.questions.stopped:
            self.told.end("interrupted")
            asked = self.questions.asked()
            return Ending(RunStatus.INTERRUPTED, waiting=merged(asked, self.run.waiting))
        self.told.end("completed")
        values = self.told.values
        if values is None:  # the last attempt was killed after its last step
            values = self.version.visible((await graph.aget_state(self._config())).values)
        output = self.version.output_of(values)
        if "messages" in self.version.tells:  # its models are not asked through the steps of text graphs
            output = await screened(self.scope, "output", output)
        return Ending(RunStatus.SUCCESS, output=output)


def _custom(channel: Channel, run: Run, name: str, payload: Any) -> None:
    channel.durable(run.id, [Draft("custom", {"name": name, "payload": payload})])


def _steps(named: Sequence[str]) -> Any:
    return "*" if "*" in named else list(named) or None


def _monotonic(when: float | None) -> float:
    assert when is not None
    return when  # the loop's clock is time.monotonic


async def _generator(stream: Any) -> AsyncGenerator[Any]:
    async for part in stream:
        yield part
