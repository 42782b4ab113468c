"""What the engine and the hub tell about a request: its spans by name, its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from runtime.settings import TelemetrySettings
from runtime.telemetry import names
from runtime.telemetry.metrics import Metrics
from runtime.telemetry.spans import NO_SPAN, Span, attributes
from runtime.telemetry.tracing import Tracing, traces_wanted


class Telemetry:
    """Spans and metrics of one process.

    Every span begins when it is made; `with` makes it the current one and ends it, also under
    cancellation.  `parent` and `links` are W3C traceparents; what is not one is ignored.  Without
    `parent` a span belongs to the current one, but a request and a workflow begin a trace of their own.
    """

    def __init__(self, settings: TelemetrySettings | None = None, *, service_version: str = "") -> None:
        chosen = settings or TelemetrySettings()
        self.metrics = Metrics()
        self._content = chosen.content
        self._tracing = Tracing(chosen, service_version) if traces_wanted(chosen) else None

    @property
    def tracing(self) -> bool:
        """Whether spans go anywhere."""
        return self._tracing is not None

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format (see METRICS_CONTENT_TYPE)."""
        return self.metrics.render()

    def traceparent(self) -> str | None:
        """Return the current span's W3C name, to travel with a run; None when there is none."""
        return self._tracing.traceparent() if self._tracing else None

    # ------------------------------------------------------------------ a request

    def request_span(
        self,
        method: str,
        *,
        thread: str | None = None,
        run: str | None = None,
        tenant: str | None = None,
        traceparent: str | None = None,
        link: str | None = None,
    ) -> Span:
        """One command or HTTP request; `link` is the span of the connection it came through."""
        if (tracing := self._tracing) is None:
            return NO_SPAN
        values = {"method": method, "thread": thread, "run": run, "tenant": tenant}
        return tracing.begin(
            f"hubbub.request {method}",
            attributes(values, content=False),
            kind=tracing.server(),
            parent=traceparent,
            links=(link,),
            inherit=False,
        )

    def admit_span(self) -> Span:
        """Authentication and limits of a request."""
        return self._tracing.begin("hub.admit", {}) if self._tracing else NO_SPAN

    def queue_span(
        self, *, parent: str | None = None, start: float | None = None, links: Sequence[str | None] = ()
    ) -> Span:
        """The wait between acceptance (`start`, Unix seconds) and claim of a run."""
        if self._tracing is None:
            return NO_SPAN
        return self._tracing.begin("hub.queue", {}, parent=parent, links=links, start=start)

    def workflow_span(
        self,
        graph: str,
        version: str,
        attempt: int = 1,
        *,
        canary: bool = False,
        run: str | None = None,
        thread: str | None = None,
        tenant: str | None = None,
        parent: str | None = None,
        links: Sequence[str | None] = (),
    ) -> Span:
        """One attempt at a run.  After a crash give the first trace as a link, not as the parent."""
        if self._tracing is None:
            return NO_SPAN
        values = {
            "graph": graph,
            "version": version,
            "attempt": attempt,
            "canary": canary or None,
            "run": run,
            "thread": thread,
            "tenant": tenant,
        }
        found = attributes(values, content=False)
        found[names.OPERATION] = "invoke_workflow"
        return self._tracing.begin(
            f"invoke_workflow {graph}", found, parent=parent, links=links, inherit=False
        )

    def node_span(
        self, id: str, kind: str, plugin: str | None = None, plugin_version: str | None = None
    ) -> Span:
        """One step of a graph; `kind` is what the graph file's `use` says."""
        if self._tracing is None:
            return NO_SPAN
        values = {"node": id, "kind": kind, "plugin": plugin, "plugin_version": plugin_version}
        return self._tracing.begin(f"node {id}", attributes(values, content=False))

    # ------------------------------------------------------------------ what a step calls

    def retrieval_span(self, source: str, *, query: str | None = None) -> Span:
        """One search in a collection or by a retriever."""
        return self._operation("retrieval", source, {"source": source, "query": query})

    def embeddings_span(self, model: str, *, texts: int | None = None) -> Span:
        """One call of an embedder."""
        return self._operation("embeddings", model, {"model": model, "texts": texts})

    def model_span(
        self,
        operation: str,
        provider: str,
        model: str,
        *,
        alias: str | None = None,
        parent: str | None = None,
    ) -> Span:
        """One attempt at one candidate of a model alias; `operation` is "chat" or "embeddings".

        Never the current span: a stream is a generator, and what its consumer does meanwhile is no
        part of the chat.
        """
        if (tracing := self._tracing) is None:
            return NO_SPAN
        found = attributes({"provider": provider, "model": model, "alias": alias}, content=False)
        found[names.OPERATION] = operation
        return tracing.begin(
            f"{operation} {model}", found, kind=tracing.client(), parent=parent, current=False
        )

    def tool_span(self, name: str, *, arguments: str | None = None, parent: str | None = None) -> Span:
        """One call of a tool; `arguments` are its JSON text."""
        return self._operation("execute_tool", name, {"tool": name, "arguments": arguments}, parent)

    def inference_span(self, model: str) -> Span:
        """One request to a predictive model; its version and rows are set when they are known."""
        return self._operation("predict", model, {"model": model})

    def deliver_span(self, *, parent: str | None = None, links: Sequence[str | None] = ()) -> Span:
        """The way of a run's events to one viewer; never the current span, it outlives many frames."""
        if self._tracing is None:
            return NO_SPAN
        return self._tracing.begin("hub.deliver", {}, parent=parent, links=links, current=False)

    def _operation(
        self, operation: str, subject: str, values: dict[str, object], parent: str | None = None
    ) -> Span:
        if self._tracing is None:
            return NO_SPAN
        found = attributes(values, content=self._content)
        found[names.OPERATION] = operation
        return self._tracing.begin(f"{operation} {subject}", found, parent=parent)

    # ------------------------------------------------------------------ the end

    async def flush(self, within: float = 5.0) -> bool:
        """Send what has ended; False when that took longer than `within` seconds."""
        return self._tracing is None or await _beside_the_loop(partial(self._tracing.flush, within))

    async def aclose(self, within: float = 5.0) -> bool:
        """Flush and stop in at most `within` seconds, also when the collector is dead."""
        tracing, self._tracing = self._tracing, None
        return tracing is None or await _beside_the_loop(partial(tracing.shutdown, within))


async def _beside_the_loop(work: Callable[[], bool]) -> bool:
    return await asyncio.to_thread(work)
