"""Executes one run: drives the compiled LangGraph graph and tells the thread's channel what happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError

from runtime.errors import LimitExceeded
from runtime.extensions.catalog import Catalog
from runtime.extensions.context import Services
from runtime.graphs.library import GraphVersion
from runtime.graphs.scope import RunScope
from runtime.journal.checkpoints import JournalSaver
from runtime.runs.channel import Channel, Draft
from runtime.runs.messages import MessageWriter
from runtime.runs.run import Ending, describe
from runtime.runs.threads import ThreadState, state_of
from runtime.telemetry import Span, Telemetry, get_logger
from runtime.types import JsonObject, Run, RunStatus, Usage

_log = get_logger(__name__)


class Versions(Protocol):
    """Where a run finds the graph version it started with."""

    def version(self, name: str, version: str) -> GraphVersion:
        """Return that version; NotFound when it is gone."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What every run is executed with."""

    library: Versions
    saver: JournalSaver
    services: Services
    telemetry: Telemetry
    timeout: float
    """Seconds a run may take when its graph sets no shorter limit."""

    async def execute(self, run: Run, channel: Channel, catalog: Catalog) -> Ending:
        """Run the graph to its end.  Never raises but for cancellation."""
        open_messages = list[MessageWriter]()
        try:
            version = self.library.version(run.graph, run.version)
            spent = _Spent(version.limits.max_cost_usd)
            async with asyncio.timeout(min(version.limits.timeout or self.timeout, self.timeout)) as limit:
                scope = self._scope(run, channel, catalog, spent, open_messages, _monotonic(limit.when()))
                with self._span(run) as span:
                    values = await self._drive(run, version, channel, scope)
                    span.set(status=RunStatus.SUCCESS.value)
            return Ending(RunStatus.SUCCESS, output=version.output_of(values))
        except TimeoutError:
            sentence = (
                "The run took longer than its limit; raise limits.timeout of the graph or [runs] timeout."
            )
            return Ending(RunStatus.TIMEOUT, error=describe(LimitExceeded(sentence, limit="timeout"), run.id))
        except GraphRecursionError:
            sentence = "The run took more steps than limits.max_steps allows; raise it, or mend the loop."
            return Ending(RunStatus.ERROR, error=describe(LimitExceeded(sentence, limit="max_steps"), run.id))
        except Exception as error:
            described = describe(error, run.id)
            if described["code"] == "internal":
                _log.error("run failed inside the engine", exc_info=error)
            return Ending(RunStatus.ERROR, error=described)
        finally:
            for message in open_messages:
                message.fail("incomplete", "The run ended before this message did.")

    async def read(self, run: Run) -> ThreadState:
        """Return the newest state of the run's thread, read with the graph version that wrote it."""
        version = self.library.version(run.graph, run.version)
        graph = version.compiled(self.saver)
        state = state_of(await graph.aget_state({"configurable": {"thread_id": run.thread}}))
        return replace(state, values=version.visible(state.values))

    async def _drive(self, run: Run, version: GraphVersion, channel: Channel, scope: RunScope) -> JsonObject:
        graph = version.compiled(self.saver)
        config: RunnableConfig = {
            "configurable": {"thread_id": run.thread},
            "metadata": {"run": run.id},
            "recursion_limit": version.limits.max_steps,
            **_allowed(run.config),
        }
        resumed = run.attempt > 1 and await self._has_checkpoint(run)
        stream = graph.astream(
            None if resumed else version.initial(run.input),
            config,
            context=scope,
            stream_mode=["updates", "values"],
            subgraphs=True,
            durability="async",
        )
        values: JsonObject | None = None
        async with aclosing(_generator(stream)) as parts:
            async for namespace, mode, part in parts:
                if mode == "values":
                    part = part if namespace else version.visible(part)
                    values = values if namespace else part
                    channel.live(run.id, "values", part, namespace)
                else:
                    _updates(channel, run, namespace, part, version)
        if values is None:  # the last attempt was killed after its last step
            values = version.visible((await graph.aget_state(config)).values)
        return values

    def _span(self, run: Run) -> Span:
        """Open the workflow's span: in the request's trace, or after a crash in one linked to it."""
        again = run.attempt > 1
        return self.telemetry.workflow_span(
            *(run.graph, run.version, run.attempt),
            run=run.id,
            thread=run.thread,
            tenant=run.tenant,
            parent=None if again else run.traceparent,
            links=(run.traceparent,) if again else (),
        )

    async def _has_checkpoint(self, run: Run) -> bool:
        found = await self.saver.aget_tuple({"configurable": {"thread_id": run.thread}})
        return found is not None and found.metadata.get("run") == run.id

    def _scope(
        self,
        run: Run,
        channel: Channel,
        catalog: Catalog,
        spent: _Spent,
        open_messages: list[MessageWriter],
        deadline: float,
    ) -> RunScope:
        ordinals: dict[str, int] = {}

        def first_token() -> None:
            if len(open_messages) == 1 and run.attempt == 1:
                self.telemetry.metrics.first_token(time.time() - run.created_at)

        def messages(node: str) -> MessageWriter:
            ordinals[node] = ordinals.get(node, 0) + 1
            id = f"{run.id}:{node}:{ordinals[node]}:{run.attempt}"
            about = {"run_id": run.id, "thread_id": run.thread, "langgraph_node": node}
            message = MessageWriter(channel, run.id, id, about, first_token)
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
            spend=spent.add,
        )


@dataclass(slots=True)
class _Spent:
    """What a run's model calls have cost so far, in US dollars, and may."""

    limit: float | None
    usd: float = 0.0

    def add(self, usage: Usage) -> None:
        self.usd += usage.cost_usd or 0.0
        if self.limit is not None and self.usd > self.limit:
            sentence = (
                f"The run has cost {self.usd:.4f} USD and may cost {self.limit:g}; raise limits.max_cost_usd."
            )
            raise LimitExceeded(sentence, limit="max_cost_usd")


def _updates(
    channel: Channel, run: Run, namespace: tuple[str, ...], part: dict[str, Any], version: GraphVersion
) -> None:
    drafts = [
        Draft("updates", {"node": node, "values": version.visible(values or {})}, namespace)
        for node, values in part.items()
    ]
    channel.durable(run.id, drafts)


def _custom(channel: Channel, run: Run, name: str, payload: Any) -> None:
    channel.durable(run.id, [Draft("custom", {"name": name, "payload": payload})])


def _allowed(config: JsonObject) -> RunnableConfig:
    """Return what a client may set of a run's LangGraph config: its tags."""
    tags = config.get("tags")
    return {"tags": [str(tag) for tag in tags]} if isinstance(tags, list) else {}


def _monotonic(when: float | None) -> float:
    assert when is not None
    return when  # the loop's clock is time.monotonic


async def _generator(stream: Any) -> AsyncGenerator[Any]:
    async for part in stream:
        yield part
