"""The counters and histograms of the hub, named here once and cheap where requests pass."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Gauge
    from prometheus_client.core import CounterMetricFamily
    from prometheus_client.metrics import MetricWrapperBase

METRICS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

MAX_LABEL_SETS = 256
"""Further combinations of labels of one metric are counted under "other"."""

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(slots=True)
class Tally:
    """How often a plugin was called and how often that failed; a counter would be too slow."""

    calls: int = 0
    failures: int = 0


class _Maker:
    """Makes the metrics of one registry; their names begin with `hubbub_`."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def counter(self, name: str, about: str, *labels: str) -> _Labelled:
        from prometheus_client import Counter

        return _Labelled(Counter(f"hubbub_{name}", about, labels, registry=self.registry))

    def gauge(self, name: str, about: str, *labels: str) -> Gauge:
        from prometheus_client import Gauge

        return Gauge(f"hubbub_{name}", about, labels, registry=self.registry)

    def histogram(self, name: str, about: str, *labels: str, buckets: tuple[float, ...] = _FAST) -> _Labelled:
        from prometheus_client import Histogram

        return _Labelled(Histogram(f"hubbub_{name}", about, labels, registry=self.registry, buckets=buckets))


class Metrics:
    """All metrics of one process, in a registry of their own.  Times are seconds, costs US dollars."""

    def __init__(self) -> None:
        maker = _Maker()
        counter, histogram = maker.counter, maker.histogram
        self._registry = maker.registry
        self._started = counter("runs_started", "Runs accepted", "graph")
        self._finished = counter("runs_finished", "Runs that ended", "graph", "status")
        self._canaries = counter(
            "canary_runs_finished", "Those of them on a version for a share of the threads", "graph", "status"
        )
        self._run_seconds = histogram(
            "run_seconds", "From acceptance to end of a run", "graph", buckets=_SLOW
        )
        self._first_token = histogram(
            "first_token_seconds", "From acceptance of a run to its first token", buckets=_SLOW
        ).bound()
        self._tokens_in = counter("tokens_in", "Input tokens", "model")
        self._tokens_out = counter("tokens_out", "Output tokens", "model")
        self._cost = counter("cost_usd", "Cost of model calls where a price is known", "model")
        self._attempts = counter(
            "model_attempts", "Attempts at a model, by how they ended", "model", "outcome"
        )
        self._first_chunk = histogram(
            "model_first_chunk_seconds", "From an attempt to its first content", "model", buckets=_SLOW
        )
        self._fallbacks = counter("model_fallbacks", "Times that a further candidate was asked", "alias")
        self._reused = counter("model_answers_reused", "Answers that were given again", "model", "how")
        self._steps = histogram("step_seconds", "Duration of a step", "kind")
        drift = "How far what was scored of late is from what the model was trained on (PSI)"
        self._drift = _Labelled(maker.gauge("score_drift", drift, "model", "tenant"))
        self._retrievals = histogram("retrieval_seconds", "Duration of a search", "mode")
        self._model_seconds = histogram(
            "inference_seconds", "From the arrival of a request to a trained model to its answer", "model"
        )
        self._model_rows = histogram(
            "inference_batch_rows", "Rows in one call of a trained model", "model", buckets=_BATCHES
        )
        self._model_requests = histogram(
            "inference_batch_requests", "Requests that were one such call", "model", buckets=_BATCHES
        )
        self._model_refused = counter(
            "inference_refused", "Requests to a trained model that found its queue full", "model"
        )
        self._commits = histogram("commit_seconds", "From hand-over of a write to its fsync").bound()
        self._batches = histogram("commit_batch_size", "Writes in one commit", buckets=_BATCHES).bound()
        self._sockets = maker.gauge("sockets_open", "Open sockets and event streams")
        self._frames = counter("frames_sent", "Frames sent to viewers").bound()
        self._merged = counter("deltas_merged", "Deltas that were merged into another one").bound()
        self._dropped = counter("deltas_dropped", "Live events a slow viewer missed").bound()
        self._commands = counter("commands", "Commands of clients", "method", "outcome")
        self._tallies = _Tallies()
        maker.registry.register(self._tallies)
        self._stalls = histogram("loop_stall_seconds", "How late the event loop woke up").bound()

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def run_started(self, graph: str) -> None:
        """Count an accepted run."""
        self._started.bound(graph).inc()

    def run_finished(self, graph: str, status: str, seconds: float, *, canary: bool = False) -> None:
        """Count a run that ended, `seconds` after it was accepted."""
        self._finished.bound(graph, status).inc()
        if canary:
            self._canaries.bound(graph, status).inc()
        self._run_seconds.bound(graph).observe(max(0.0, seconds))  # the clock may have been set back

    def first_token(self, seconds: float) -> None:
        """Note the time from acceptance to the first token of a run."""
        self._first_token.observe(max(0.0, seconds))

    def tokens(self, model: str, *, input: int = 0, output: int = 0, cost_usd: float | None = None) -> None:
        """Count what one model call used."""
        self._tokens_in.bound(model).inc(max(0, input))
        self._tokens_out.bound(model).inc(max(0, output))
        if cost_usd:
            self._cost.bound(model).inc(max(0.0, cost_usd))

    def attempt(self, model: str, outcome: str, first: float | None) -> None:
        """Count an attempt: "answered", "left" by its caller, or the reason of its failure."""
        self._attempts.bound(model, outcome).inc()
        if first is not None:
            self._first_chunk.bound(model).observe(first)

    def fallback(self, alias: str) -> None:
        """Count that a further candidate is asked because one failed."""
        self._fallbacks.bound(alias).inc()

    def answer_reused(self, model: str, how: str) -> None:
        """Count an answer that was given again: from the "exact" cache, or "coalesced"."""
        self._reused.bound(model, how).inc()

    def step(self, kind: str, seconds: float) -> None:
        """Note one step of a graph."""
        self._steps.bound(kind).observe(seconds)

    def retrieval(self, mode: str, seconds: float) -> None:
        """Note one search; `mode` is how its hits were found."""
        self._retrievals.bound(mode).observe(seconds)

    def model_answered(self, model: str, seconds: float) -> None:
        """Note one answer of a trained model."""
        self._model_seconds.bound(model).observe(seconds)

    def model_called(self, model: str, rows: int, requests: int) -> None:
        """Note one call of a trained model, for so many requests."""
        self._model_rows.bound(model).observe(rows)
        self._model_requests.bound(model).observe(requests)

    def model_refused(self, model: str) -> None:
        """Count a request that found the queue full."""
        self._model_refused.bound(model).inc()

    def drift(self, model: str, tenant: str, psi: float) -> None:
        """Note how far what was scored of late is from the model's training data."""
        self._drift.bound(model, tenant).set(psi)

    def commit(self, seconds: float, batch: int = 1) -> None:
        """Note one commit of `batch` writes."""
        self._commits.observe(seconds)
        self._batches.observe(batch)

    def socket_opened(self) -> None:
        """Count a socket or event stream in."""
        self._sockets.inc()

    def socket_closed(self) -> None:
        """Count a socket or event stream out."""
        self._sockets.dec()

    def frames_sent(self, count: int = 1) -> None:
        """Count frames that were written."""
        self._frames.inc(count)

    def deltas_merged(self, count: int) -> None:
        """Count deltas that travelled inside another one."""
        self._merged.inc(count)

    def deltas_dropped(self, count: int) -> None:
        """Count live events that a slow viewer was spared."""
        self._dropped.inc(count)

    def command(self, method: str, outcome: str) -> None:
        """Count a command; `outcome` is "success" or the error's code."""
        self._commands.bound(method, outcome).inc()

    def plugin_tally(self, plugin: str) -> Tally:
        """Return the counts of a plugin; whoever calls it adds to them."""
        return self._tallies.of(plugin)

    def loop_stalled(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._stalls.observe(seconds)

    async def watch_loop(self, interval: float = 0.1) -> None:
        """Measure until cancelled how late the running event loop wakes up."""
        loop = asyncio.get_running_loop()
        while True:
            expected = loop.time() + interval
            await asyncio.sleep(interval)
            self.loop_stalled(max(0.0, loop.time() - expected))


class _Tallies:
    """The counts of plugins, read when somebody asks for the metrics."""

    def __init__(self) -> None:
        self._found: dict[str, Tally] = {}

    def of(self, plugin: str) -> Tally:
        return self._found.setdefault(plugin, Tally())

    def collect(self) -> Iterator[CounterMetricFamily]:
        from prometheus_client.core import CounterMetricFamily

        calls = CounterMetricFamily("hubbub_plugin_calls", "Calls of plugins", labels=["plugin"])
        failures = CounterMetricFamily(
            "hubbub_plugin_failures", "Calls of plugins that failed", labels=["plugin"]
        )
        for plugin, tally in list(self._found.items()):
            calls.add_metric([plugin], tally.calls)
            failures.add_metric([plugin], tally.failures)
        yield calls
        yield failures


class _Labelled:
    """A metric whose children are looked up once per combination of labels (`labels()` costs 2 µs)."""

    __slots__ = ("_children", "_metric")

    def __init__(self, metric: MetricWrapperBase) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Any] = {}

    def bound(self, *labels: str) -> Any:
        child = self._children.get(labels)
        if child is None:
            if len(self._children) >= MAX_LABEL_SETS:
                # Names that clients choose must not grow the registry without end.
                labels = ("other",) * len(labels)
            child = self._metric.labels(*labels) if labels else self._metric
            self._children[labels] = child
        return child
