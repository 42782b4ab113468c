"""Takes the rows of one batch to their ends: so many at once, in order, within its budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from runtime.batches.batch import Batch, Row, RowEnd, RowStatus
from runtime.errors import HubbubError, InvalidInput, Overloaded, StorageError, TooLarge
from runtime.journal.batches import JournalBatches
from runtime.records import Run, RunOptions, RunStatus
from runtime.runs.run import StartRun, describe
from runtime.runs.runs import Runs
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_PAGE = 100
_OF_THE_ROW = frozenset({InvalidInput.code, TooLarge.code, "cancelled"})
"""Codes of errors that say nothing of the rows to come."""
_IN_VAIN = 25
"""Rows that fail one after the other, through no fault of their input, until the batch rests."""
_AGAIN = 1.0
"""Seconds after which a row is tried again that the hub could not take."""


class Pump:
    """One batch while it is worked on.  `batch` is its record; `slots` is shared by all batches of the hub.

    Each batch waits for one slot at a time, so that slots go round among them.  `keep` are the seconds
    that the threads of rows stay, None for ever.
    """

    def __init__(
        self, batch: Batch, journal: JournalBatches, runs: Runs, slots: asyncio.Semaphore, keep: float | None
    ) -> None:
        self.batch = batch
        self._journal, self._runs, self._slots, self._keep = journal, runs, slots, keep
        self._under_way: dict[int, Run | None] = {}
        self._stopping = ""
        self._failures = 0
        self.bell = asyncio.Event()
        """Set when something changes; there is a new one then."""

    async def run(self) -> str:
        """Work until no row is left, or none may begin; returns why it stopped, "" when it is done."""
        async with asyncio.TaskGroup() as tasks:
            async for row in self._pending():
                self._under_way[row.number] = None
                tasks.create_task(self._carry(row), name=f"batch {self.batch.id} row {row.number}")
        return self._stopping

    def stop(self, reason: str) -> None:
        """Let no further row begin."""
        self._stopping = self._stopping or reason
        self.ring()

    async def cancel(self, reason: str) -> None:
        """Let no further row begin, and stop those that are under way; returns when they have ended."""
        self.stop(reason)
        while self._under_way:
            bell = self.bell
            known = [run.id for run in self._under_way.values() if run]
            await asyncio.gather(*(self._runs.cancel(self.batch.tenant, id) for id in known))
            if self._under_way:
                await bell.wait()

    @property
    def under_way(self) -> int:
        """How many rows are worked on."""
        return len(self._under_way)

    def carries(self, row: int) -> bool:
        """Whether this row is one of them."""
        return row in self._under_way

    def ring(self) -> None:
        """Wake whoever waits for a change."""
        self.bell.set()
        self.bell = asyncio.Event()

    async def _pending(self) -> AsyncIterator[Row]:
        """Yield the next row when it may begin; each has a slot."""
        last = 0
        while page := await self._journal.pending(self.batch.id, last, _PAGE):
            for row in page:
                if not await self._room():
                    return
                yield row
            last = page[-1].number

    async def _room(self) -> bool:
        """Take a slot for one more row; false when no row may begin any more."""
        while not self._stopping:
            under_way = len(self._under_way)
            if under_way < self.batch.concurrency and self.batch.allows(under_way):
                await self._slots.acquire()
                if not self._stopping:
                    return True
                self._slots.release()
            elif under_way:
                await self.bell.wait()
            else:
                self._stopping = _spent(self.batch)
        return False

    async def _carry(self, row: Row) -> None:
        try:
            end = await self._end(row)
            await self._journal.end_row(self.batch.id, row.number, end, expiry(end, self._keep))
            self._note(end)
            if self.batch.budget_usd is not None:
                await self._count()
        finally:
            del self._under_way[row.number]
            self._slots.release()
            self.ring()

    async def _end(self, row: Row) -> RowEnd:
        """Run a row to its end, as often as the hub cannot take it now."""
        while True:
            try:
                run = await self._runs.start(request(self.batch, row))
                self._under_way[row.number] = run
                self.ring()
                run = await self._runs.wait(self.batch.tenant, run.id)
                if not run.status.active:
                    return end_of(run)
            except (Overloaded, StorageError) as error:
                _log.warning("row waits", batch=self.batch.id, row=row.number, reason=str(error))
            except HubbubError as error:
                return _refused(error, row)
            await asyncio.sleep(_AGAIN)

    def _note(self, end: RowEnd) -> None:
        """Rest when row after row fails: what is broken elsewhere must not use up the whole table."""
        if end.status is not RowStatus.FAILED or not isinstance(end.result, dict):
            self._failures = 0
        elif end.result["code"] not in _OF_THE_ROW:
            self._failures += 1
        if self._failures >= _IN_VAIN:
            why = end.result["message"] if isinstance(end.result, dict) else ""
            self.stop(
                f"{self._failures} rows failed one after the other, the last one so: {why} "
                "Mend that, then go on; the failed rows can be run again."
            )

    async def _count(self) -> None:
        """Take over what the batch has cost; a call without a known price cannot be held to a budget."""
        if found := await self._journal.batch(self.batch.id):
            counted = ("rows", "done", "failed", "waiting", "cost_usd", "unpriced")
            self.batch = replace(self.batch, **{name: getattr(found, name) for name in counted})
        if self.batch.unpriced:
            self.stop(
                "A model without a known price was asked, so the budget cannot hold; "
                "set its price in config.toml, or go on without a budget."
            )


def expiry(end: RowEnd, keep: float | None) -> float | None:
    """Return when the thread of a row may go; None for one that stays."""
    return None if keep is None or end.status is RowStatus.WAITING else time.time() + keep


def request(batch: Batch, row: Row) -> StartRun:
    """Return the request for the run of a row: the same one again, until the row fails and is sent again.

    InvalidInput when it cannot be run.
    """
    if row.problem:
        raise InvalidInput(row.problem)
    if not isinstance(row.input, dict):
        raise InvalidInput("A row is a JSON object with the graph's input; send one.")
    return StartRun(
        batch.tenant,
        batch.graph,
        row.input,
        metadata={"batch_id": batch.id, "row": row.number},
        idempotency_key=f"batch:{batch.id}:{row.number}:{row.tries}",
        options=RunOptions(background=True, key=batch.key),
        version=batch.version,
    )


def end_of(run: Run) -> RowEnd:
    """Return what a run that has ended, or waits, means for its row."""
    if run.status is RunStatus.SUCCESS:
        return RowEnd(RowStatus.DONE, run.output or {}, run.id, run.thread)
    if run.waiting:
        asked = [{"id": each.id, "value": each.value} for each in run.waiting]
        return RowEnd(RowStatus.WAITING, asked, run.id, run.thread)
    word = run.status.value
    error = run.error or {"code": word, "message": f"The run ended as {word}.", "step": None, "run": run.id}
    return RowEnd(RowStatus.FAILED, error, run.id, run.thread)


def _refused(error: HubbubError, row: Row) -> RowEnd:
    """Return the end of a row that could not be run, with the line of its file that it is in."""
    about = describe(error, "")
    if row.line is not None:
        about["message"] = f"Line {row.line}: {error}"
    return RowEnd(RowStatus.FAILED, about)


def _spent(batch: Batch) -> str:
    return (
        f"The budget of {batch.budget_usd:g} USD has no room for another row ({batch.cost_usd:.4f} USD are "
        "spent); go on with a larger one."
    )
