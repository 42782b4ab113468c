"""State values of graphs written in Python as plain JSON: messages, models and dataclasses become objects."""

from __future__ import annotations

import base64
import dataclasses
from collections import deque
from collections.abc import Mapping, Set
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import orjson
from langchain_core.messages import BaseMessage, BaseMessageChunk
from langchain_core.messages.utils import message_chunk_to_message
from pydantic import BaseModel

from runtime.errors import InvalidInput
from runtime.types import JsonObject

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_SERIALIZE_NUMPY
_DROP_IN = "hubbub_plugin_"
"""How the private names of drop-in plugins begin; they are others after the next start."""


class _NotPlain(TypeError):
    """A value that cannot be written, in words."""


def plain(value: Any, what: str) -> Any:
    """Return a value as JSON; InvalidInput with `what` it is when it holds something else.

    Nothing of a type that a drop-in plugin declares: it could not be read back after a restart.
    """
    if value is None or type(value) is bool:
        return value
    try:
        return orjson.loads(orjson.dumps(value, default=_convert, option=_OPTIONS))
    except TypeError as error:
        cause = error.__cause__ or error
        words = str(cause) if isinstance(cause, _NotPlain) else f"something that is no JSON ({cause})"
        raise InvalidInput(
            f"{what} holds {words}; keep text, numbers, lists, objects, messages, pydantic models or "
            "dataclasses there."
        ) from None


def plain_fields(values: Mapping[Any, Any], what: str) -> JsonObject:
    """Return an object field by field, so that the field which is no JSON is named."""
    return {str(name): plain(value, f"The field {name} of {what}") for name, value in values.items()}


def message_object(message: BaseMessage) -> JsonObject:
    """Return a message as the SDKs know it: `type`, `content`, `id`, `tool_calls` and so on."""
    whole = message_chunk_to_message(message) if isinstance(message, BaseMessageChunk) else message
    return whole.model_dump()


def _convert(value: Any) -> Any:
    """Return what stands for a value that JSON does not know."""
    if isinstance(value, BaseMessage):
        return message_object(value)
    kind = type(value)
    if kind.__module__.startswith(_DROP_IN):
        raise _NotPlain(
            f"a {kind.__name__}, a type that a drop-in plugin declares and that a restart would lose"
        )
    if isinstance(value, BaseModel):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Set | deque | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, PurePath):
        return str(value)
    if (kind.__module__, kind.__name__) == ("langgraph.types", "Send"):
        return {"node": value.node, "args": value.arg}
    raise _NotPlain(f"a {kind.__name__}")
