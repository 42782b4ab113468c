"""The frozen data that the journal keeps and is asked for: no plugin needs it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from runtime.types import JsonObject, Usage

# --------------------------------------------------------------------------- the journal


class RunStatus(enum.StrEnum):
    """The life of a run: accepted -> running -> one of the others, which are final but `interrupted`."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"

    @property
    def active(self) -> bool:
        """Whether the run still has work to do without anybody's help."""
        return self in (RunStatus.ACCEPTED, RunStatus.RUNNING)

    @property
    def final(self) -> bool:
        """Whether the run is over for good."""
        return not self.active and self is not RunStatus.INTERRUPTED


@dataclass(frozen=True, slots=True)
class Thread:
    """A durable conversation.  `reserved` is the highest seq that may have been shown to anyone.

    At `expires_at` (Unix seconds) it is deleted, or with `expiry` "keep_latest" all but its newest state.
    """

    id: str
    tenant: str
    metadata: JsonObject
    created_at: float
    updated_at: float
    reserved: int = 0
    position: int = 0
    expires_at: float | None = None
    expiry: Literal["delete", "keep_latest"] | None = None


ThreadStatus: TypeAlias = Literal["idle", "busy", "interrupted", "error"]
ThreadOrder: TypeAlias = Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"]


@dataclass(frozen=True, slots=True)
class ThreadQuery:
    """Which threads are looked for, and in which order.

    `metadata` is what a thread's own holds at least: objects hold at least these members, lists at least
    these elements.
    """

    ids: Sequence[str] | None = None
    metadata: JsonObject = field(default_factory=dict)
    status: ThreadStatus | None = None
    sort_by: ThreadOrder = "updated_at"
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class ThreadEntry:
    """A thread, what it was doing when it was read, and when its state last changed."""

    thread: Thread
    status: ThreadStatus
    state_updated_at: float


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is carried out, beside its input.

    `command` is LangGraph's: `resume` (answers by interrupt id), `update`, `goto`.  `checkpoint` is the
    one to begin from.  `start_at` is Unix seconds.  An `ephemeral` run takes its thread with it.
    `turn` counts how often a person has answered it; `injected` are the messages sent into it since.
    `fingerprint` is what an idempotency key was used for.  A `sync` run waits for each checkpoint.
    A `canary` is a run on a version that only a share of the threads gets.  One in the `background`
    lets all others go first.  `key` is the id of the API key that asked for it.
    """

    multitask: str = "enqueue"
    command: JsonObject | None = None
    checkpoint: str | None = None
    interrupt_before: Sequence[str] = ()
    interrupt_after: Sequence[str] = ()
    context: JsonObject | None = None
    start_at: float | None = None
    webhook: str | None = None
    ephemeral: bool = False
    turn: int = 0
    injected: tuple[JsonObject, ...] = ()
    fingerprint: str = ""
    sync: bool = False
    canary: bool = False
    background: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A question that a run waits for a person to answer.

    `schema` is the JSON Schema of the answer.  At `expires_at` (Unix seconds) `otherwise` is the answer.
    """

    id: str
    value: Any
    namespace: tuple[str, ...] = ()
    schema: JsonObject | None = None
    expires_at: float | None = None
    otherwise: Any = None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a graph version on a thread, as the journal keeps it.  Times are Unix seconds.

    `waiting` are the questions that an interrupted run still waits for.
    """

    id: str
    thread: str
    tenant: str
    graph: str
    version: str
    status: RunStatus
    input: JsonObject | None
    created_at: float
    updated_at: float
    config: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)
    attempt: int = 0
    fence: int = 0
    idempotency_key: str | None = None
    traceparent: str | None = None
    error: JsonObject | None = None
    output: JsonObject | None = None
    options: RunOptions = RunOptions()
    waiting: tuple[Interrupt, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step of a run does outside, or may have done: it is undone when the run fails for good.

    `namespace` is where the step's graph runs, `key` the idempotency key of its call, `values` the state
    that it read.  `state` goes from begun to done, or refused where nothing was done, and then to undone,
    or stuck where it cannot be; `tries` counts how often that was begun.
    """

    run: str
    task: str
    step: str
    namespace: tuple[str, ...]
    key: str
    values: JsonObject
    state: Literal["begun", "done", "refused", "undone", "stuck"] = "begun"
    tries: int = 0
    result: Any = None


@dataclass(frozen=True, slots=True)
class Cron:
    """A run that is started again and again: on `thread`, or each time on a new one.

    `schedule` is a cron expression, read in `timezone` (IANA; UTC without).  `next_at` is None when it
    starts no more.  `payload` is what the client sent, `start` what a run is started with: `input`,
    `config`, `metadata`, `options`.  Times are Unix seconds.
    """

    id: str
    tenant: str
    graph: str
    schedule: str
    payload: JsonObject
    start: JsonObject
    created_at: float
    updated_at: float
    thread: str | None = None
    timezone: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    keep_threads: bool = False
    enabled: bool = True
    end_at: float | None = None
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A call that is to be made because a run has ended, until it was made or given up."""

    id: str
    tenant: str
    url: str
    body: JsonObject
    created_at: float
    due_at: float
    tries: int = 0


@dataclass(frozen=True, slots=True)
class RunChange:
    """How a run record changes in the same commit as the events that say so.

    `roll_back` deletes it instead, with every checkpoint and write of the run.  At `thread_expires_at`
    (Unix seconds) its thread may go.
    """

    run: str
    status: RunStatus
    fence: int
    attempt: int | None = None
    error: JsonObject | None = None
    output: JsonObject | None = None
    waiting: tuple[Interrupt, ...] = ()
    webhook: Webhook | None = None
    roll_back: bool = False
    thread_expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key may use of the models, within what its tenant may (0: no limit).

    `budget_usd` are US dollars in a day or month of UTC.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    budget_usd: float = 0.0
    budget_per: Literal["day", "month"] = "day"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key at rest: only the SHA-256 of the secret part is kept."""

    id: str
    digest: str
    tenant: str
    name: str
    created_at: float
    revoked: bool = False
    limits: KeyLimits = KeyLimits()


# --------------------------------------------------------------------------- the store


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One item of a tenant's store, as the journal keeps it.  Times are Unix seconds.

    `fields` are the paths whose texts a query looks at; None for an item that no query finds.  `ttl` is
    in seconds, after the last write or read.
    """

    id: int
    tenant: str
    namespace: tuple[str, ...]
    key: str
    value: JsonObject
    created_at: float
    updated_at: float
    fields: tuple[str, ...] | None = None
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class ItemVectors:
    """The vectors of an item's texts: float32, unit length, one after the other; `space` made them."""

    space: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ItemWrite:
    """One write of the store: a whole item, or the end of one (`value` is None).

    `value` is JSON, `ttl` seconds that the item lives after it was last written or read.
    """

    namespace: tuple[str, ...]
    key: str
    at: float
    value: bytes | None = None
    fields: tuple[str, ...] | None = None
    ttl: float | None = None
    vectors: ItemVectors | None = None


@dataclass(frozen=True, slots=True)
class ItemsWhere:
    """Which items of a tenant: under a prefix of namespaces, alive at `now`, and whose value is accepted.

    The prefix () is the whole store, `now` in Unix seconds.  `equal` are fields that every accepted value
    has: a store that can look for them need not ask `accept` about the others.
    """

    prefix: tuple[str, ...]
    now: float
    accept: Callable[[JsonObject], bool] | None = None
    equal: Mapping[str, str | int | float] = field(default_factory=dict)


# --------------------------------------------------------------------------- graphs


@dataclass(frozen=True, slots=True)
class GraphText:
    """The text of one version of a graph file, with the versions of the graphs inside, by name.

    `at` is when it was first kept, in Unix seconds.
    """

    graph: str
    version: str
    text: str
    inside: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Publication:
    """Which versions of a graph file new runs get.

    `live` is the one for all, but for `percent` of the threads while there is a `canary`.  `before` are
    the versions that were live earlier, the latest last.  `held` is the hash of a text that was rolled
    back: while the file says the same, it is not made live again.
    """

    graph: str
    live: str
    canary: str = ""
    percent: int = 0
    before: tuple[str, ...] = ()
    held: str = ""
    at: float = 0.0


# --------------------------------------------------------------------------- usage and views


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What one call of a model used; never what it was about.

    `at` is when it ended, in Unix seconds; `model` the candidate that was asked, as `[models.ALIAS] use`
    names it.  `finish` is "" for a call that broke off.  `run` and `thread` are "" outside of runs, `key`
    is the id of the API key on whose behalf it was made.
    """

    at: float
    seconds: float
    tenant: str
    thread: str
    run: str
    alias: str
    model: str
    finish: str
    usage: Usage
    key: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a scorer, recommender, guardrail or person gave in a run; never what it was about.

    `kind` is "score", "recommendation", "guard" or "approval", `name` who gave it.  `label` is the class
    that it fell into (a tier, a verdict, a choice), `number` a score or a count, `version` that of the
    model behind it.  `key` is the same when its step runs again; without one every fact counts.  `at` is
    in Unix seconds.
    """

    at: float
    tenant: str
    run: str
    graph: str
    kind: str
    name: str
    label: str = ""
    number: float | None = None
    version: str = ""
    key: str | None = None


UsageGroup: TypeAlias = Literal["day", "tenant", "graph", "model"]


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Sums of usage by `group`, of one tenant or all; days are those of UTC, ISO 8601, and included."""

    group: tuple[UsageGroup, ...] = ()
    tenant: str | None = None
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class RunsQuery:
    """Which runs to list, the latest accepted first."""

    tenant: str | None = None
    thread: str | None = None
    graph: str | None = None
    status: str | None = None
    limit: int = 20
