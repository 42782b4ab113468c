"""What crosses between the hub and a plugin's own process: frames of MessagePack, values with a tag.

Nothing that comes back can be code: a value is plain, or one of the types of `runtime.types`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from runtime import errors
from runtime.errors import HubbubError, LimitExceeded, MissingSecret, NotFound, Overloaded
from runtime.extensions.failures import Failed
from runtime.extensions.finder import PluginFile
from runtime.settings import Settings
from runtime.types import (
    CatalogueItem,
    ChatRequest,
    Delta,
    Event,
    Health,
    Hit,
    Hits,
    Interaction,
    Item,
    Passage,
    Recommended,
    Reply,
    Score,
    SearchQuery,
    Verdict,
)

LENGTH = struct.Struct(">I")
MAX_FRAME = 64 * 1024 * 1024

_ARRAY = 1
_TYPES: Final[Mapping[str, Any]] = {
    kind.__name__: kind
    for kind in (
        *(CatalogueItem, ChatRequest, Delta, Event, Health, Hit, Interaction, Item),
        *(Passage, Reply, Score, SearchQuery, Verdict),
    )
}


@dataclass(frozen=True, slots=True)
class Hello:
    """The first thing that the hub sends, pickled: the hub is to be trusted, what comes back is not."""

    settings: Settings
    file: PluginFile
    digest: str
    memory: int


def pack(frame: Any) -> bytes:
    """Encode a frame after its length; TypeError for what cannot cross, ValueError when it is too large."""
    body = _encoder.encode(frame)
    if len(body) > MAX_FRAME:
        raise ValueError(f"it is larger than {MAX_FRAME // 1024 // 1024} MiB")
    return LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Any:
    """Decode the body of a frame."""
    return _decoder.decode(body)


def tagged(value: Any) -> list[Any]:
    """Return a value with the name of its type."""
    kind = type(value).__name__
    if isinstance(value, Hits):
        return [
            "Hits",
            [list(value), value.mode, value.degraded, value.facets, value.did_you_mean, value.note],
        ]
    if isinstance(value, Recommended):
        return ["Recommended", [list(value), value.method, value.version, value.note, value.group]]
    if _TYPES.get(kind) is type(value):
        return [kind, value]
    if isinstance(value, list | tuple) and value and _TYPES.get(type(value[0]).__name__) is type(value[0]):
        return [f"*{type(value[0]).__name__}", list(value)]
    return ["", value]


def untagged(found: Any) -> Any:
    """Return the value; ValueError when it is not what its tag says."""
    if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], str):
        raise ValueError("it has no tag")
    tag, value = found
    try:
        if tag == "":
            return value
        if tag == "Hits":
            hits, mode, degraded, facets, did_you_mean, note = value
            return Hits(
                msgspec.convert(hits, list[Hit]),
                mode=str(mode),
                degraded=bool(degraded),
                facets=msgspec.convert(facets, dict[str, Any]),
                did_you_mean=msgspec.convert(did_you_mean, str | None),
                note=msgspec.convert(note, str),
            )
        if tag == "Recommended":
            items, *about = value
            how = dict(zip(("method", "version", "note", "group"), map(str, about), strict=True))
            return Recommended(msgspec.convert(items, list[Item]), **how)
        if tag.startswith("*"):
            return msgspec.convert(value, list[_TYPES[tag[1:]]])  # type: ignore[misc]
        return msgspec.convert(value, _TYPES[tag])
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise ValueError(f"it is no {tag.strip('*')} ({error})") from None


def told(error: HubbubError) -> dict[str, Any]:
    """Return an error as plain values."""
    more = {
        name: getattr(error, name)
        for name in ("retry_after", "limit", "name", "needed_by")
        if hasattr(error, name)
    }
    return {"kind": type(error).__name__, "message": error.message, **more}


def error_of(found: Mapping[str, Any], plugin: str) -> HubbubError:
    """Return the error that was told; one of an unknown kind is the plugin's failure."""
    kind, message = str(found.get("kind")), str(found.get("message"))
    if kind == "Overloaded":
        return Overloaded(message, retry_after=float(found.get("retry_after", 1.0)))
    if kind == "LimitExceeded":
        return LimitExceeded(message, limit=str(found.get("limit")))
    if kind == "MissingSecret":
        missing = MissingSecret(str(found.get("name")), needed_by=str(found.get("needed_by")))
        missing.message = message
        return missing
    if kind in ("InvalidInput", "TooLarge", "ModelError", "Forbidden", "Conflict", "NotFound"):
        found_kind: type[HubbubError] = getattr(errors, kind, NotFound)
        return found_kind(message)
    return Failed(message, plugin=plugin)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__array_interface__"):
        import numpy as np

        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise TypeError("an array of objects cannot leave its process; use numbers or text")
        about = msgspec.msgpack.encode([array.dtype.str, list(array.shape)])
        return msgspec.msgpack.Ext(_ARRAY, LENGTH.pack(len(about)) + about + array.tobytes())
    raise TypeError(f"a {type(value).__name__} cannot leave its process; use plain values")


def _array(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"an unknown extension {code}")
    import numpy as np

    (size,) = LENGTH.unpack(data[: LENGTH.size])
    kind, shape = msgspec.msgpack.decode(data[LENGTH.size : LENGTH.size + size])
    return np.frombuffer(data[LENGTH.size + size :], dtype=np.dtype(kind)).reshape(shape)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_decoder = msgspec.msgpack.Decoder(ext_hook=_array)
