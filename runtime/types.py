"""The frozen data everyone shares: what plugins give and take."""

from __future__ import annotations

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

    `note` says in a sentence why it is `degraded`.  `facets` are `{field: [{value, count}, …]}`,
    `did_you_mean` is the query better spelled; both only where the search was asked for them.
    """

    mode: str
    degraded: bool
    facets: Mapping[str, Any]
    did_you_mean: str | None
    note: str

    def __new__(
        cls,
        hits: Iterable[Hit] = (),
        *,
        mode: str = "",
        degraded: bool = False,
        facets: Mapping[str, Any] | None = None,
        did_you_mean: str | None = None,
        note: str = "",
    ) -> Hits:
        """Keep `hits` in their order."""
        made = super().__new__(cls, hits)
        made.mode, made.degraded = mode, degraded
        made.facets, made.did_you_mean = facets or {}, did_you_mean
        made.note = note
        return made


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is looked for in a collection, and how.

    `weight` is the dense share of a hybrid search (None: `[search] weight`).  `mmr` is the share of
    variety in the order of the hits: 0 goes by the score alone, 1 by unlikeness to the hits before.
    `rerank` is how many of the best hits `[search] reranker` reads again, but at least `k`; 0 leaves it out.
    `facets` names fields of the metadata whose values are counted over what was found.
    """

    text: str
    k: int = 5
    mode: Literal["hybrid", "dense", "keyword"] = "hybrid"
    filter: JsonObject | None = None
    weight: float | None = None
    mmr: float = 0.0
    rerank: int = 0
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

    @property
    def deleted(self) -> bool:
        """Whether it was sent with `deleted: true`: it is never recommended."""
        return self.fields.get("deleted") is True


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


# --------------------------------------------------------------------------- events


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
