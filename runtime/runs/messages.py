"""One streamed message on a thread's channel: deltas of a model in, events of the protocol out."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from runtime.runs.channel import Channel, Draft
from runtime.runs.replay import SPARE, empty_block
from runtime.types import Delta, JsonObject, ToolCall, Usage


class MessageWriter:
    """Turns a model's deltas into message events: starts and deltas live, finishes durable.

    A block's finish holds its whole content, what the starts of message and block said and the seqs
    they had (`at`), so that the log alone can replay the message.  Blocks follow each other: text,
    reasoning and each tool call have their own.  `node` tells messages apart that are open at once.
    """

    def __init__(
        self,
        channel: Channel,
        run: str,
        id: str,
        metadata: JsonObject,
        started: Callable[[], None] = lambda: None,
        namespace: tuple[str, ...] = (),
        node: str = "",
        role: str = "ai",
    ) -> None:
        self.id, self.node, self.ended = id, node, False
        self._on_start = started
        self._channel, self._run, self._namespace = channel, run, namespace
        self._about = _about(id, node)
        # Early, for the first token is not to wait for it.
        self._noted = channel.open_message(run, id, namespace)
        self._start: JsonObject = {"role": role, "metadata": metadata}
        self._started = False
        self._started_at = self._block_at = 0
        self._index = -1
        self._block: JsonObject | None = None
        self._parts: list[str] = []
        self._call = -1
        self._usage: Usage | None = None

    def push(self, delta: Delta) -> None:
        """Send one piece; never blocks.  What comes after the end is dropped."""
        if self.ended:
            return
        if delta.reasoning:
            self._open("reasoning")
            self._piece(delta.reasoning, {"type": "reasoning-delta", "reasoning": delta.reasoning})
        if delta.text:
            self._open("text")
            self._piece(delta.text, {"type": "text-delta", "text": delta.text})
        if delta.tool_call:
            self._tool(delta.tool_call)
        self._usage = delta.usage or self._usage

    def block(self, content: JsonObject) -> None:
        """Send a block that comes as a whole, such as an image."""
        if not self.ended:
            self._open(content["type"], content)
            self._close_block()

    def finish(self, usage: Usage | None = None) -> None:
        """End the message as a whole one; `usage` counts if no delta has said it."""
        if self.ended:
            return
        self._open_message()
        self._close_block()
        self.ended = True
        data: JsonObject = {"event": "message-finish", **self._about}
        if usage := self._usage or usage:
            data["usage"] = _usage(usage)
        self._channel.durable(self._run, [Draft("messages", data, self._namespace)])

    def fail(self, code: str, message: str) -> None:
        """End the message as a broken one, which clients drop."""
        if self.ended or not self._started:
            self.ended = True
            return
        self.ended = True
        self._channel.durable(self._run, [broken(self.id, code, message, self._namespace, self.node)])

    def _open_message(self) -> None:
        if not self._started:
            self._started = True
            self._on_start()
            self._channel.show_after(self._noted)
            self._started_at = self._live({**self._start, "event": "message-start", "id": self.id})

    def _open(self, kind: str, content: JsonObject | None = None) -> None:
        if self._block and self._block["type"] == kind and content is None:
            return
        self._open_message()
        self._close_block()
        self._index += 1
        self._block = content or {"type": kind}
        self._block_at = self._live(
            {"event": "content-block-start", "index": self._index, "content": empty_block(self._block)}
        )

    def _piece(self, text: str, delta: JsonObject, **more: JsonObject) -> None:
        self._parts.append(text)
        self._live({"event": "content-block-delta", "index": self._index, "delta": delta, **more})

    def _tool(self, call: ToolCall) -> None:
        if call.index != self._call:
            self._open("tool_call", {"type": "tool_call", "id": call.id, "name": call.name})
            self._call = call.index
        if call.arguments:
            # Older JavaScript clients do not know this delta, but they add up such a content.
            content = {"type": "tool_call_chunk", "args": call.arguments}
            self._piece(call.arguments, {"type": "tool-call-delta", "args": call.arguments}, content=content)

    def _close_block(self) -> None:
        if self._block is None:
            return
        content = _finished(self._block, "".join(self._parts))
        data = {
            "event": "content-block-finish",
            **self._about,
            "index": self._index,
            "content": content,
        }
        at = [self._started_at, self._block_at]
        draft = Draft("messages", {**data, "start": self._start, "at": at}, self._namespace)
        self._channel.durable(self._run, [draft], spare=SPARE)
        self._block, self._parts, self._call = None, [], -1

    def _live(self, data: JsonObject) -> int:
        return self._channel.live(self._run, "messages", {**self._about, **data}, self._namespace)


def broken(id: str, code: str, message: str, namespace: tuple[str, ...] = (), node: str = "") -> Draft:
    """Return the event that ends a message as a broken one: "restarted" or "incomplete"."""
    data = {"event": "error", **_about(id, node), "code": code, "message": message}
    return Draft("messages", data, namespace)


def _about(id: str, node: str) -> JsonObject:
    return {"message_id": id, "node": node} if node else {"message_id": id}


def _finished(block: JsonObject, text: str) -> JsonObject:
    if block["type"] in ("text", "reasoning"):
        return {**block, block["type"]: text}
    if block["type"] != "tool_call":
        return block
    try:
        return {**block, "args": orjson.loads(text or "{}")}
    except orjson.JSONDecodeError as error:
        return {**block, "type": "invalid_tool_call", "args": text, "error": f"not JSON: {error}"}


def _usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_token_details": {"cache_read": usage.cached_tokens},
        "output_token_details": {"reasoning": usage.reasoning_tokens},
    }
