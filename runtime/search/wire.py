"""How the hub and its search process talk: MessagePack values, each after its length in four bytes."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import msgspec

from runtime.errors import StorageError

LENGTH = struct.Struct(">I")
MAX_FRAME = 64 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


def pack(value: Any) -> bytes:
    """Encode one value as a frame."""
    body = _encoder.encode(value)
    if len(body) > MAX_FRAME:
        raise StorageError(
            f"A message to the search process has {len(body)} bytes, over {MAX_FRAME}; ask for less at once."
        )
    return LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Any:
    """Decode the body of a frame."""
    return _decoder.decode(body)


def read_frame(stream: BinaryIO) -> Any | None:
    """Read one value from a blocking stream; None at its end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    body = stream.read(size)
    return unpack(body) if len(body) == size else None
