"""What a batch and its rows are, as they are kept and as they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runtime.types import JsonObject


class BatchStatus(StrEnum):
    """Where a batch is: its rows arrive, are worked on, rest, or are over."""

    LOADING = "loading"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class RowStatus(StrEnum):
    """Where a row is; one that waits needs a person's answer on its thread."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Batch:
    """The record of a batch.  `rows` and what follows are counted in the commits that change its rows.

    `reason` says why it rests.  `sha256` is the hash of the file that its rows came from, "" for none.
    `cost_usd` is what models with a known price cost, `unpriced` how many calls had none.  `key` is the id
    of the API key that made it, which its rows count for.
    """

    id: str
    tenant: str
    graph: str
    version: str
    status: BatchStatus
    created_at: float
    updated_at: float
    concurrency: int
    budget_usd: float | None = None
    file: str = ""
    sha256: str = ""
    idempotency_key: str | None = None
    fingerprint: str = ""
    reason: str = ""
    rows: int = 0
    done: int = 0
    failed: int = 0
    waiting: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    key: str = ""

    @property
    def pending(self) -> int:
        """How many rows have not come to their end."""
        return self.rows - self.done - self.failed - self.waiting

    def allows(self, under_way: int) -> bool:
        """Whether the budget has room for one more row beside those that are under way.

        Each is taken to cost what the rows so far did; the first one is waited for.
        """
        if self.budget_usd is None:
            return True
        if not (ended := self.done + self.waiting + self.failed):
            return not under_way
        expected = (under_way + 1) * self.cost_usd / ended
        # A billionth is the unit of costs: what is lost in adding them must not stop the last row.
        return self.cost_usd < self.budget_usd and self.cost_usd + expected <= self.budget_usd + 1e-9


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A request for a batch.

    One of the same file, graph and version is gone on with, unless it is to be done `again`.
    """

    tenant: str
    graph: str
    concurrency: int | None = None
    budget_usd: float | None = None
    file: str = ""
    sha256: str = ""
    again: bool = False
    idempotency_key: str | None = None
    fingerprint: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row as it is given.  `line` is where in its file it begins; a `problem` keeps it from being run."""

    input: Any
    line: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is to be run; `tries` counts how often it has failed and was sent again."""

    number: int
    input: Any
    line: int | None
    problem: str
    tries: int


@dataclass(frozen=True, slots=True)
class RowEnd:
    """What became of a row: its output, its error, or the questions it waits with."""

    status: RowStatus
    result: JsonObject | list[JsonObject]
    run: str = ""
    thread: str = ""


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row as it is read again; `input` and `result` are JSON texts."""

    number: int
    input: bytes
    status: RowStatus
    result: bytes
    cost_usd: float
    run: str
    thread: str
