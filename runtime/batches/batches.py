"""Batches as clients see them: made, filled, paused, gone on with, cancelled; and what a restart does."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile

from runtime.batches.batch import Batch, BatchStatus, NewBatch, NewRow, RowEnd, RowResult, RowStatus
from runtime.batches.pump import Pump, end_of, expiry
from runtime.errors import Conflict, HubbubError, InvalidInput, NotFound, Overloaded, StorageError
from runtime.graphs.version import Versions
from runtime.journal.batches import JournalBatches
from runtime.journal.sqlite import SqliteJournal
from runtime.records import Run
from runtime.runs.run import describe
from runtime.runs.runs import Runs
from runtime.settings import BatchesSettings
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_AT_ONCE = 500
"""Rows in one commit, and in one page of results."""
_HEARTBEAT = 15.0
_SETTLE = 0.05
"""Seconds in which further rows may end before a reader is told of the first."""
_SWEEP = 600.0
_OVER = (BatchStatus.DONE, BatchStatus.CANCELLED)


class Batches:
    """Every method takes the tenant first; another tenant's batch looks like none at all."""

    def __init__(
        self,
        journal: SqliteJournal,
        runs: Runs,
        graphs: Versions,
        settings: BatchesSettings,
        runs_at_once: int,
    ) -> None:
        self._journal = JournalBatches(journal)
        self._runs, self._graphs, self._settings = runs, graphs, settings
        # Never more than half of the places of runs: whoever waits for an answer finds one that is free.
        self._most = min(settings.concurrency, max(1, runs_at_once // 2))
        self._slots = asyncio.Semaphore(self._most)
        self._pumps: dict[str, Pump] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._making = asyncio.Lock()
        self._stopping = False
        self._sweeping: asyncio.Task[None] | None = None
        runs.ended = self._run_has_ended

    # ----------------------------------------------------------------- start and stop of the process

    async def open(self) -> None:
        """Go on with the batches that the last process left; runs must have been recovered before."""
        for tenant, batch, row, run in await self._journal.answered():
            await self._take_over(tenant, batch, row, run)
        for each in await self._journal.running():
            self._begin(each)
        self._sweeping = asyncio.create_task(self._sweep(), name="old batches")

    async def aclose(self) -> None:
        """Start no further row; what is under way is left to the next process."""
        self._stopping = True
        tasks = [*self._tasks.values(), *([self._sweeping] if self._sweeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._answers, return_exceptions=True)

    # ----------------------------------------------------------------- what clients ask for

    async def create(self, new: NewBatch) -> Batch:
        """Make a batch that waits for its rows, or return the one that was made by the same request.

        NotFound for an unknown graph, Conflict when the idempotency key was used for something else.
        """
        concurrency = self._concurrency(new.concurrency)
        _check_budget(new.budget_usd)
        async with self._making:
            version = (await self._graphs.get(new.graph)).version
            if earlier := await self._earlier(new, version):
                return earlier
            now = time.time()
            batch = Batch(
                *(str(uuid.uuid4()), new.tenant, new.graph, version, BatchStatus.LOADING, now, now),
                *(concurrency, new.budget_usd, new.file, new.sha256, new.idempotency_key, new.fingerprint),
                key=new.key,
            )
            await self._journal.create(batch)
            return batch

    async def add(self, tenant: str, id: str, first: int, rows: Sequence[NewRow]) -> Batch:
        """Store rows of a batch that waits for them, `first` the number of the first one.

        Rows that are there already stay as they are; InvalidInput when some before them are missing.
        """
        batch = await self.get(tenant, id)
        if batch.status is not BatchStatus.LOADING:
            raise Conflict(f"The batch {id} has all its rows ({batch.status.value}); make another one.")
        if not 1 <= first <= batch.rows + 1:
            raise InvalidInput(f"The next row of the batch is number {batch.rows + 1}; begin with that one.")
        for start in range(0, len(rows), _AT_ONCE):
            await self._journal.add(id, first + start, rows[start : start + _AT_ONCE])
        return await self.get(tenant, id)

    async def resume(
        self,
        tenant: str,
        id: str,
        *,
        budget_usd: float | None = None,
        concurrency: int | None = None,
        failed: bool = False,
    ) -> Batch:
        """Begin with a batch whose rows are there, or go on with one that rests or runs.

        Another budget or concurrency holds from now on; rows that `failed` are run once more.  Conflict
        when it was cancelled.
        """
        _check_budget(budget_usd)
        batch = await self.get(tenant, id)
        if batch.status is BatchStatus.CANCELLED:
            raise Conflict(f"The batch {id} was cancelled; make another one.")
        if not batch.rows:
            raise InvalidInput(f"The batch {id} has no rows; send some first.")
        if failed:
            await self._rest(batch)
            await self._journal.run_again(id)
        elif batch.status is not BatchStatus.RUNNING:
            await self._rest(batch)
        batch = await self.get(tenant, id)
        if budget_usd is not None:
            batch = replace(batch, budget_usd=budget_usd)
        if concurrency is not None:
            batch = replace(batch, concurrency=self._concurrency(concurrency))
        if batch.status is BatchStatus.DONE and not batch.pending:
            return batch
        if self._stopping:
            raise Overloaded("The hub is stopping; send it again in a moment.", retry_after=2.0)
        running = await self._journal.change(batch, BatchStatus.RUNNING)
        if pump := self._pumps.get(id):
            pump.batch = replace(pump.batch, budget_usd=running.budget_usd, concurrency=running.concurrency)
        else:
            self._begin(running)
        return running

    async def pause(self, tenant: str, id: str, reason: str = "It was paused.") -> Batch:
        """Let no further row begin; those under way go on.  A batch that does not run stays as it is."""
        batch = await self.get(tenant, id)
        if batch.status is not BatchStatus.RUNNING:
            return batch
        paused = await self._journal.change(batch, BatchStatus.PAUSED, reason)
        if pump := self._pumps.get(id):
            pump.stop(reason)
        return paused

    async def cancel(self, tenant: str, id: str) -> Batch:
        """Stop a batch for good, with the rows that are under way; one that is over stays as it is."""
        batch = await self.get(tenant, id)
        if batch.status in _OVER:
            return batch
        reason = "It was cancelled."
        # Rests first: a process that dies now does not go on with it.
        await self.pause(tenant, id, reason)
        if pump := self._pumps.get(id):
            await pump.cancel(reason)
            if task := self._tasks.get(id):
                task.cancel()  # it may wait for a place, which is no row's any more
            await self._ended(id)
        return await self._journal.change(await self.get(tenant, id), BatchStatus.CANCELLED, reason)

    async def delete(self, tenant: str, id: str) -> None:
        """Delete a batch and its rows; Conflict while it runs.  Its runs and threads stay."""
        batch = await self.get(tenant, id)
        if id in self._pumps or batch.status is BatchStatus.RUNNING:
            raise Conflict(f"The batch {id} is worked on; cancel it first.")
        await self._journal.delete(batch)

    async def get(self, tenant: str, id: str) -> Batch:
        """Return a batch; NotFound."""
        batch = await self._journal.batch(id)
        if batch is None or batch.tenant != tenant:
            raise NotFound(f"There is no batch {id[:64]}; list the batches to find it.")
        return batch

    async def list(self, tenant: str, limit: int = 20, offset: int = 0) -> Sequence[Batch]:
        """List the batches, the newest first."""
        return await self._journal.of_tenant(tenant, limit, offset)

    def under_way(self, id: str) -> int:
        """Return how many rows of a batch are worked on now."""
        pump = self._pumps.get(id)
        return pump.under_way if pump else 0

    async def results(self, tenant: str, id: str, after: int = 0) -> AsyncGenerator[Sequence[RowResult]]:
        """Yield pages of the rows behind `after` that have ended or wait, in order, as it is now."""
        await self.get(tenant, id)
        while rows := await self._journal.results(id, after, _AT_ONCE):
            yield [row for row in rows if row.status is not RowStatus.PENDING]
            after = rows[-1].number

    async def follow(self, tenant: str, id: str, after: int = 0) -> AsyncGenerator[Sequence[RowResult]]:
        """Yield rows in order and without a gap, as they end, until nobody works on the batch any more.

        An empty page says that somebody still does.
        """
        await self.get(tenant, id)
        while True:
            pump = self._pumps.get(id)
            # Taken before the rows are read: what ends meanwhile rings this one.
            bell = pump.bell if pump else None
            rows = await self._journal.results(id, after, _AT_ONCE)
            page = list(takewhile(lambda row: row.status is not RowStatus.PENDING, rows))
            if page:
                after = page[-1].number
            elif bell is None:
                return
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), _HEARTBEAT)
                await asyncio.sleep(_SETTLE)
            yield page

    # ----------------------------------------------------------------- carrying out

    def _begin(self, batch: Batch) -> None:
        pump = Pump(batch, self._journal, self._runs, self._slots, self._settings.threads)
        self._pumps[batch.id] = pump
        self._tasks[batch.id] = asyncio.create_task(self._carry_out(pump), name=f"batch {batch.id}")

    async def _carry_out(self, pump: Pump) -> None:
        batch = pump.batch
        try:
            reason = await self._carried(pump)
            status = BatchStatus.PAUSED if reason else BatchStatus.DONE
            _log.info("batch ended", batch=batch.id, status=status.value, reason=reason)
            await self._journal.change(pump.batch, status, reason)
        except Conflict:
            return  # it was paused or cancelled, which is written
        except StorageError as error:
            _log.error("batch given up until the next start", batch=batch.id, reason=str(error))
        finally:
            del self._pumps[batch.id], self._tasks[batch.id]
            pump.ring()

    async def _carried(self, pump: Pump) -> str:
        """Carry a batch out; returns why it rests."""
        try:
            await self._graphs.version(pump.batch.graph, pump.batch.version)
            return await pump.run()
        except HubbubError as error:
            return str(error)
        except Exception as error:
            _log.error("batch failed inside Hubbub", batch=pump.batch.id, exc_info=error)
            return f"It failed inside Hubbub ({type(error).__name__}); see the hub's log, then go on with it."

    async def _rest(self, batch: Batch) -> None:
        """Return when nobody works on a batch any more."""
        if pump := self._pumps.get(batch.id):
            pump.stop("It is gone on with.")
            await self._ended(batch.id)

    async def _ended(self, id: str) -> None:
        if task := self._tasks.get(id):
            await asyncio.wait([task])

    async def _earlier(self, new: NewBatch, version: str) -> Batch | None:
        """Return the batch that the same request has made, or the same file."""
        if new.idempotency_key and (found := await self._journal.of_key(new.tenant, new.idempotency_key)):
            if found.fingerprint != new.fingerprint:
                raise Conflict(
                    f"The idempotency key {new.idempotency_key} was used for another batch ({found.id}); "
                    "use a new key."
                )
            return found
        if new.sha256 and not new.again:
            found = await self._journal.of_file(new.tenant, new.graph, new.sha256)
            if found and (found.status is not BatchStatus.DONE or found.version == version):
                return found
        return None

    def _concurrency(self, asked: int | None) -> int:
        if asked is not None and asked < 1:
            raise InvalidInput("`concurrency` is 1 or more; mend it.")
        return min(asked or self._most, self._most)

    # ----------------------------------------------------------------- people's answers, and the end of all

    def _run_has_ended(self, run: Run) -> None:
        """Take over what became of a run that a row was said to wait for."""
        batch, row = run.metadata.get("batch_id"), run.metadata.get("row")
        if not isinstance(batch, str) or not isinstance(row, int):
            return
        if (pump := self._pumps.get(batch)) and pump.carries(row):
            return
        task = asyncio.create_task(self._answer(batch, row, end_of(run)), name=f"batch {batch} row {row}")
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _take_over(self, tenant: str, batch: str, row: int, run: str) -> None:
        """Say what became of a row whose run has ended while nobody served."""
        try:
            end = end_of(await self._runs.get(tenant, run))
        except NotFound as error:
            end = RowEnd(RowStatus.FAILED, describe(error, run), run)
        await self._answer(batch, row, end)

    async def _answer(self, batch: str, row: int, end: RowEnd) -> None:
        await self._journal.answer_row(batch, row, end, expiry(end, self._settings.threads))

    async def _sweep(self) -> None:
        """Delete batches that nobody has touched for as long as they are kept."""
        while self._settings.keep is not None:
            try:
                for batch in await self._journal.untouched(time.time() - self._settings.keep):
                    await self._journal.delete(batch)
            except (StorageError, NotFound) as error:
                _log.warning("old batches stay for now", reason=str(error))
            await asyncio.sleep(_SWEEP)


def _check_budget(budget_usd: float | None) -> None:
    if budget_usd is not None and not 0 < budget_usd < 1e9:
        raise InvalidInput("A budget is a number of US dollars above 0; mend it.")
