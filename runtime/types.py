"""The frozen data everyone shares: what plugins give and take, and what the journal keeps."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import orjson

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object: str keys, JSON values all the way down."""

Message: TypeAlias = Mapping[str, Any]
"""One chat message: `{"role": "user"|"assistant"|"system"|"tool", "content": str | [blocks], …}`.

Blocks are `{"type": "text", "text"}`, `{"type": "image", "url"}` or `{"type": "image", "data", "mime_type"}`
(base64), and of an assistant `{"type": "reasoning", "text", "signature"}`.  A text block with `"cache": true`
ends a part of the prompt that the vendor is asked to keep.  An assistant has `tool_calls`, each `{"id",
"name", "arguments"}` with JSON text as arguments; a tool has the `tool_call_id` that it answers.
"""


class StatePathMark:
    """Marks a parameter that a graph file gives as the bare name of a state field."""


StatePath: TypeAlias = Annotated[Any, StatePathMark()]
"""A field of `Params` or `Args`, written as a bare name (`from = "passages"`), that arrives as its value."""

# --------------------------------------------------------------------------- models


@dataclass(frozen=True, slots=True)
class Usage:
    """What one model call used.  Tokens are counts; `cost_usd` is None when no price is known.

    `cached_tokens` (read from the vendor's cache) and `cache_write_tokens` are part of `input_tokens`,
    `reasoning_tokens` of `output_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A (part of a) tool call in a stream: `arguments` are JSON text, in pieces, joined by `index`."""

    index: int = 0
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a model's stream.  The last piece of every stream carries a `finish`.

    `finish` is "stop", "length", "tool_calls", "content_filter" or "incomplete".  A `signature` ends the
    reasoning before it: its vendor wants it back with that reasoning.  `model` is who answered, which the
    gateway says with the finish.
    """

    text: str = ""
    reasoning: str = ""
    tool_call: ToolCall | None = None
    usage: Usage | None = None
    finish: str | None = None
    signature: str = ""
    model: str = ""

    @property
    def content(self) -> bool:
        """Whether it is a part of the answer, which cannot be taken back once it was shown."""
        return bool(self.text or self.reasoning or self.tool_call or self.signature)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request to a model; every provider understands this vocabulary or refuses with a sentence.

    `tools` are `{"name", "description", "parameters": JSON Schema, "strict"}`; `tool_choice` is "auto",
    "none", "required" or the name of one.  `response_format` is `{"type": "json"}`, or with a schema
    `{"type": "json_schema", "name", "schema", "strict"}`.  `reasoning` is how hard it is to think: "none",
    "minimal", "low", "medium", "high".  `documents` are for models that quote by themselves.
    """

    model: str
    messages: Sequence[Message]
    documents: Sequence[Hit] = ()
    tools: Sequence[JsonObject] = ()
    response_format: JsonObject | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    top_p: float | None = None
    seed: int | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of a model.  `model` is the candidate that really answered."""

    text: str
    model: str
    finish: str
    usage: Usage = Usage()
    reasoning: str = ""
    tool_calls: Sequence[ToolCall] = ()
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Texts as vectors, in their order, and what that used.  The gateway says which `model` made them."""

    vectors: Sequence[Sequence[float]]
    usage: Usage = Usage()
    finish: str = "stop"
    model: str = ""
    content: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request in the words of a vendor's API; `dialect` names them, `model` is who is to answer.

    `body` is its JSON, `headers` those that the vendor's API gives a meaning beyond it.
    """

    dialect: str
    model: str
    body: JsonObject
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Bytes of an answer in a dialect, and what they say.  The last one has a `finish`."""

    data: bytes
    content: bool = False
    usage: Usage | None = None
    finish: str | None = None
    model: str = ""


# --------------------------------------------------------------------------- search


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage found.

    `source` is `{path, id, title, line}` (line is 1-based, 0 where there is none), in a PDF also `page`;
    `scores` holds the parts of `score` by retriever, e.g. `{"dense": .61, "keyword": 7.2}`; `mode` is how
    it was found ("hybrid", "dense", "keyword"), `degraded` says a better mode was wanted and not to be had.
    `highlights` are `{start, end, html}`: the sentences of `text` with words of the query, by their
    place in it, and as HTML in which nothing but `<mark>` is markup.
    """

    id: str
    text: str
    score: float
    source: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mode: str = ""
    degraded: bool = False
    highlights: Sequence[Mapping[str, Any]] = ()


class Hits(tuple[Hit, ...]):
    """The hits of one search, best first, which remembers its mode also when nothing was found.

    `facets` are `{field: [{value, count}, …]}`, `did_you_mean` is the query better spelled; both only
    where the search was asked for them.
    """

    mode: str
    degraded: bool
    facets: Mapping[str, Any]
    did_you_mean: str | None

    def __new__(
        cls,
        hits: Iterable[Hit] = (),
        *,
        mode: str = "",
        degraded: bool = False,
        facets: Mapping[str, Any] | None = None,
        did_you_mean: str | None = None,
    ) -> Hits:
        """Keep `hits` in their order."""
        made = super().__new__(cls, hits)
        made.mode, made.degraded = mode, degraded
        made.facets, made.did_you_mean = facets or {}, did_you_mean
        return made


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is looked for in a collection, and how.

    `weight` is the dense share of a hybrid search (None: `[search] weight`).  `mmr` is the share of
    variety in the order of the hits: 0 goes by the score alone, 1 by unlikeness to the hits before.
    `facets` names fields of the metadata whose values are counted over what was found.
    """

    text: str
    k: int = 5
    mode: Literal["hybrid", "dense", "keyword"] = "hybrid"
    filter: JsonObject | None = None
    weight: float | None = None
    mmr: float = 0.0
    facets: Sequence[str] = ()
    highlight: bool = False
    suggest: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored passage with its sentences and, once they are computed, the sentences' vectors.

    `vectors` has the shape (len(sentences), size), float32, unit length; None until they are stored.
    """

    id: str
    text: str
    source: Mapping[str, Any]
    sentences: Sequence[str]
    vectors: Any | None = None


# --------------------------------------------------------------------------- other plugin data


@dataclass(frozen=True, slots=True)
class Score:
    """A scorer's answer: `value` in 0..1; a reason is a sentence or a mapping that holds one."""

    value: float
    reasons: Sequence[str | Mapping[str, Any]] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One recommended item, best first in its list; `because` are sentences."""

    id: str
    score: float
    because: Sequence[str] = ()
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Recommended(tuple[Item, ...]):
    """A list of items, best first, with how it was made, and why it is short or empty (`note`).

    `version` is that of the models behind it, `group` that of an experiment which the user is in.
    """

    method: str
    version: str
    note: str
    group: str

    def __new__(
        cls,
        items: Iterable[Item] = (),
        *,
        method: str = "",
        version: str = "",
        note: str = "",
        group: str = "",
    ) -> Recommended:
        """Keep `items` in their order."""
        made = super().__new__(cls, items)
        made.method, made.version, made.note, made.group = method, version, note, group
        return made


InteractionKind: TypeAlias = Literal["view", "like", "buy", "dismiss"]


@dataclass(frozen=True, slots=True)
class Interaction:
    """What a user did with an item, and when (Unix seconds); `recommendation` is the one it came from."""

    user: str
    item: str
    kind: InteractionKind
    at: float
    value: float | None = None
    recommendation: str = ""


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """An item that can be recommended; `fields` is all that was sent of it, `id`, `title` and `tags` too."""

    id: str
    title: str = ""
    tags: Sequence[str] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A guardrail's answer; `text` replaces the text when the action is "rewrite"."""

    action: Literal["allow", "block", "rewrite"] = "allow"
    text: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a part works now, and a sentence on why not."""

    ok: bool
    detail: str = ""


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


@dataclass(frozen=True)
class Event:
    """Something that happened on a thread, numbered by the thread's one sequencer.

    `method` is the protocol's word ("messages", "lifecycle", "updates", "input.requested" …).
    `position` is dense and counts durable events only (0 for a live one); `timestamp` is Unix
    milliseconds.  An event that a replay puts in the place of a live one has the seq of that as
    `origin`.  Two viewers of one event share its encoded `payload`.
    """

    thread: str
    seq: int
    method: str
    data: JsonObject
    run: str
    timestamp: int
    namespace: tuple[str, ...] = ()
    position: int = 0
    origin: int = 0

    @property
    def durable(self) -> bool:
        """Whether the event is in the log."""
        return self.position > 0

    @property
    def id(self) -> str:
        """The same in every replay: a function of the thread and of the seq that it had first."""
        return f"{self.thread}:{self.origin or self.seq}"

    @cached_property
    def payload(self) -> bytes:
        """`data` as JSON, encoded once."""
        # A copy: the bytes that orjson returns keep its whole buffer of 4 KiB alive.
        return b"%b" % orjson.dumps(self.data)


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
