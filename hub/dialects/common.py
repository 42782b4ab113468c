"""What the dialects share: events, texts, and the refusal of what would be lost in translation."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import orjson

from runtime.errors import InvalidInput
from runtime.types import JsonObject


class Sse:
    """Server-sent events, one after the other."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    @property
    def data(self) -> bytes:
        """All of them."""
        return b"".join(self._parts)

    def add(self, value: JsonObject, event: str = "") -> None:
        """Add one."""
        name = b"event: %b\n" % event.encode() if event else b""
        self._parts.append(b"%bdata: %b\n\n" % (name, orjson.dumps(value)))

    def raw(self, data: bytes) -> None:
        """Add one that is written already."""
        self._parts.append(data)


def refuse_unknown(body: Mapping[str, Any], known: Set[str], neutral: Mapping[str, Any]) -> None:
    """InvalidInput for a field that the model's own vendor has no word for, unless it asks for nothing."""
    for name, value in body.items():
        if name not in known and value is not None and (name not in neutral or value != neutral[name]):
            raise InvalidInput(f"This model's vendor has no {name[:60]}; leave it out, or ask another model.")


def text_of(content: Any) -> str:
    """Return the text of a content, which is a text or has only texts in it."""
    if isinstance(content, str) or content is None:
        return content or ""
    others = [block.get("type") for block in content if "text" not in block]
    if others:
        raise InvalidInput(f"There is {others[0]} where only text can be; send text.")
    return "".join(block["text"] for block in content)
