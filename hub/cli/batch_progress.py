"""What `hubbub batch` shows of a batch while it runs, and says of it at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hub.cli.output import interactive, say

if TYPE_CHECKING:
    from rich.progress import Progress

_SHOWN = 3


class BatchProgress:
    """A bar with rows, rate, cost and time left, where a person looks; the first errors, for everyone."""

    def __init__(self) -> None:
        self._began, self._before = time.monotonic(), 0
        self._bars: Progress | None = None
        self._errors = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar until the block ends."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            *(TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn()),
            *(TextColumn("{task.fields[told]}"), TimeRemainingColumn()),
        )
        with Progress(*columns, console=Console(stderr=True), disable=not interactive()) as self._bars:
            self._bars.add_task("loading", total=None, told="")
            yield

    def loaded(self, rows: int) -> None:
        """Show how many rows have been sent."""
        self._update(description="loading", completed=rows, told="")

    def begin(self, batch: Mapping[str, Any]) -> None:
        """Count the rate from here."""
        self._began, self._before = time.monotonic(), ended(batch)

    def tell(self, batch: Mapping[str, Any]) -> None:
        """Show where the batch is."""
        told = f"{self.rate(batch):.1f} rows/s, {batch['cost_usd']:.4f} USD"
        if batch["failed"]:
            told += f", {batch['failed']} failed"
        self._update(description="running", total=batch["rows"], completed=ended(batch), told=told)

    def error(self, row: int, error: Mapping[str, Any]) -> None:
        """Say the first errors aloud; a table whose rows all fail is best stopped soon."""
        self._errors += 1
        if self._errors <= _SHOWN:
            say(f"row {row} failed: {error['message']}")
        if self._errors == _SHOWN + 1:
            say("… more rows failed; each has its error beside it")

    def rate(self, batch: Mapping[str, Any]) -> float:
        """Return rows a second since the beginning."""
        return (ended(batch) - self._before) / max(1e-6, time.monotonic() - self._began)

    def seconds(self) -> float:
        """Return how long it took so far."""
        return time.monotonic() - self._began

    def _update(self, **fields: Any) -> None:
        if self._bars is not None:
            self._bars.update(self._bars.task_ids[0], **fields)


def ended(batch: Mapping[str, Any]) -> int:
    """Return how many rows have come to their end."""
    return int(batch["rows"] - batch["pending"])


def summary(batch: Mapping[str, Any], progress: BatchProgress) -> str:
    """Return in one line what came of a batch."""
    parts = [f"{batch[name]} {word}" for name, word in _WORDS.items() if batch[name]]
    cost = f"{batch['cost_usd']:.4f} USD"
    if unpriced := batch["unpriced_calls"]:
        cost += f" and {unpriced} calls at a price that is not known"
    rows = f"{batch['rows']} row{'' if batch['rows'] == 1 else 's'}"
    return (
        f"{batch['graph']}: {rows}, {', '.join(parts)}; {progress.seconds():.1f} s, "
        f"{progress.rate(batch):.1f} rows/s, {cost}"
    )


_WORDS = {"done": "done", "failed": "failed", "waiting": "waiting for a person", "pending": "to do"}
