"""A graph that is asked as a model is: messages in, what its steps say out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from hub.endpoint import Anything, Call
from hub.routes.run_view import Look, RunView
from runtime.errors import Conflict, HubbubError, InvalidInput, ModelError, StepFailed
from runtime.gateway.relaying import Dialect, read_as
from runtime.records import Run, RunOptions, RunStatus
from runtime.runs.run import StartRun
from runtime.types import ChatRequest, Delta, Event, JsonObject, RawChunk, RawRequest, Usage

if TYPE_CHECKING:
    from runtime.engine import Engine


class Restarted(ModelError):
    """A step began its text anew, after a part of it was sent."""

    stream_code = "restarted"


async def answer_of_graph(
    call: Call[Anything], request: RawRequest, dialect: Dialect
) -> AsyncGenerator[RawChunk, None]:
    """Run the graph and yield its answer.  The run goes on when the client leaves: it is its thread's."""
    view = await RunView.of(call.engine, call.tenant, await start(call, request, dialect))
    writer = dialect.writer(request, request.model)
    async with aclosing(said_by(view)) as words:
        async for _, delta in words:
            yield RawChunk(writer.write(delta), delta.content, delta.usage, delta.finish)


async def start(call: Call[Anything], request: RawRequest, dialect: Dialect) -> Run:
    """Begin the run that answers a request."""
    asked = read_as(dialect, request)
    run = await call.engine.runs.start(
        StartRun(
            tenant=call.tenant,
            graph=request.model,
            input=await input_of(call.engine, request.model, asked),
            idempotency_key=call.idempotency_key,
            traceparent=call.traceparent,
            options=RunOptions(key=call.key),
        )
    )
    call.span.set(run=run.id, thread=run.thread)
    return run


async def input_of(engine: Engine, graph: str, asked: ChatRequest) -> JsonObject:
    """Return a graph's input: the messages where it takes some, else the user's last text as its one text."""
    schema = (await engine.graphs.get(graph)).input_schema
    properties: Mapping[str, Any] = schema.get("properties") or {}
    if "messages" in properties:
        return {"messages": [dict(message) for message in asked.messages]}
    texts = [name for name, of in properties.items() if of.get("type") == "string"]
    needed = [name for name in schema.get("required") or () if name in properties]
    wanted = [name for name in needed if name in texts] or texts
    if len(wanted) != 1 or any(name not in texts for name in needed):
        raise InvalidInput(
            f"The graph {graph} takes neither messages nor one text, so it cannot be asked as a model; "
            f"send its input to POST /graphs/{graph}."
        )
    return {wanted[0]: _last_text(asked)}


def _last_text(asked: ChatRequest) -> str:
    for message in reversed(asked.messages):
        if message["role"] == "user":
            content = message["content"]
            blocks = [{"text": content}] if isinstance(content, str) else content
            return "".join(block.get("text", "") for block in blocks)
    raise InvalidInput("There is no message of a user; add one.")


class Word(NamedTuple):
    """A piece of an answer, and the seq that it has on its thread."""

    seq: int
    delta: Delta


async def said_by(
    view: RunView, seen: int | None = None, *, settled: bool = False
) -> AsyncGenerator[Word, None]:
    """Yield what a run says, from its beginning: live, and from its thread's log what was said before.

    `seen` is the seq up to which a client has it already.  Restarted when a step takes something back
    that was said, the run's own error when it fails.  `settled` says that the run is over: what was taken
    back is left out then.
    """
    said, last = Said(seen), view.start
    async with aclosing(view.looks()) as looks, aclosing(_events(looks, settled=settled)) as events:
        async for event in events:
            last = event.seq
            if word := said.word(event):
                yield word
    run = await view.ended()
    if run.status is not RunStatus.SUCCESS:
        raise failure_of(run)
    if not said.texts:
        yield Word(last, Delta(text=_text(run.output or {})))
    yield Word(last, Delta(usage=said.usage, finish="stop"))


async def _events(looks: AsyncIterator[Look], *, settled: bool) -> AsyncGenerator[Event, None]:
    """Yield events as they come; of a run that is over, without the messages that were begun anew."""
    held = list[Event]()
    async for look in looks:
        if settled:
            held += look.events
            continue
        for event in look.events:
            yield event
    void = {
        event.data["message_id"]: event.seq
        for event in held
        if event.method == "messages" and event.data["event"] == "error"
    }
    for event in held:
        if event.method != "messages" or event.seq > void.get(event.data["message_id"], -1):
            yield event


class Said:
    """What the steps of a run have said so far: texts of one after the other, and what that used.

    A block whose beginning is no longer held is said when it finishes, at the place of its first piece:
    who was there then has seen a part of it.
    """

    def __init__(self, seen: int | None = None) -> None:
        self.texts: set[str] = set()
        self.usage = Usage()
        self._seen, self._last = seen, ""
        self._begun: set[tuple[str, int]] = set()
        self._told: set[tuple[str, int]] = set()

    def word(self, event: Event) -> Word | None:
        """Return what an event adds to the answer; Restarted when it takes something back."""
        if event.method != "messages":
            return None
        data, id = event.data, event.data["message_id"]
        block = (id, data.get("index", 0))
        match data["event"]:
            case "content-block-start":
                self._begun.add(block)
            case "content-block-delta" if block in self._begun:
                return self._word(event.seq, block, data["delta"])
            case "content-block-finish" if block not in self._told:
                return self._word(data["at"][1] + 1, block, data["content"])
            case "message-finish" if used := data.get("usage"):
                sums = (self.usage.input_tokens + used["input_tokens"], self.usage.output_tokens)
                self.usage = Usage(sums[0], sums[1] + used["output_tokens"])
            case "error" if id in self.texts or (self._seen is not None and event.seq > self._seen):
                raise Restarted("A step begins its text anew, so what came is void; ask again.")
        return None

    def _word(self, seq: int, block: tuple[str, int], content: Mapping[str, Any]) -> Word | None:
        self._told.add(block)
        if reasoning := content.get("reasoning"):
            return Word(seq, Delta(reasoning=reasoning))
        if not (text := content.get("text")):
            return None
        id, _ = block
        between = "\n\n" if self._last not in ("", id) else ""
        self._last = id
        self.texts.add(id)
        return Word(seq, Delta(text=between + text))


def _text(output: Mapping[str, Any]) -> str:
    """Return an output as text: its one text, else all of it as JSON."""
    texts = [value for value in output.values() if isinstance(value, str)]
    return texts[0] if len(texts) == 1 else orjson.dumps(dict(output), default=str).decode()


def failure_of(run: Run) -> HubbubError:
    """Return why a run has no answer."""
    if run.status is RunStatus.INTERRUPTED:
        return Conflict(f"The run {run.id} waits for a person; answer it on its thread {run.thread}.")
    error = run.error or {}
    message = error.get("message") or f"The run ended as {run.status.value}; start it again."
    return StepFailed(message, step=error.get("step") or "", cause_code=error.get("code") or "step_failed")
