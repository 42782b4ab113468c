"""From the pieces of a stream to the whole answer."""

from __future__ import annotations

from dataclasses import replace

from runtime.types import Delta, Reply, ToolCall, Usage


class ReplyBuilder:
    """Gathers what one candidate sent; a later usage replaces an earlier one."""

    def __init__(self, model: str = "") -> None:
        self.model = model
        self.finish = ""
        self.usage = Usage()
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._signature = ""
        self._calls: dict[int, ToolCall] = {}

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    def add(self, delta: Delta) -> None:
        """Add one piece."""
        if delta.text:
            self._texts.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        self._signature = delta.signature or self._signature
        if delta.tool_call:
            self._call(delta.tool_call)
        if delta.usage:
            self.usage = delta.usage
        if delta.finish:
            self.finish = delta.finish
            self.model = delta.model or self.model

    def reply(self) -> Reply:
        """Return the whole answer."""
        calls = tuple(self._calls[index] for index in sorted(self._calls))
        return Reply(
            self.text,
            self.model,
            self.finish,
            self.usage,
            "".join(self._reasoning),
            calls,
            self._signature,
        )

    def _call(self, piece: ToolCall) -> None:
        """Join the pieces of a tool call, which share their index."""
        known = self._calls.get(piece.index)
        if known is None:
            self._calls[piece.index] = piece
            return
        self._calls[piece.index] = replace(
            known,
            id=known.id or piece.id,
            name=known.name or piece.name,
            arguments=known.arguments + piece.arguments,
        )
