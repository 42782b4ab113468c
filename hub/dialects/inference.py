"""The Open Inference Protocol: requests with JSON or binary tensors, and answers in the same form."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import msgspec
import numpy as np
import orjson

from hub.body import checked, decode_object
from runtime.errors import InvalidInput, Unsupported
from runtime.inference.description import DATATYPES, Datatype
from runtime.inference.tensors import TYPES, Array, datatype_of, from_json, shaped, to_json

_LENGTH = struct.Struct("<I")
"""What comes before each text of a binary tensor."""


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] = {}


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Body(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[_Output] = []


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its tensors, and which outputs are wanted, each as binary data or not."""

    id: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, bool]
    """None named: all of them."""
    binary: bool
    """How outputs are sent of which nothing is said."""


def read(raw: bytes, header: int | None) -> Asked:
    """Return a request; its JSON is the first `header` bytes, and binary tensors are the rest.

    InvalidInput says what is wrong.
    """
    text = raw if header is None else raw[:header]
    if header is not None and len(text) < header:
        raise InvalidInput(
            f"Inference-Header-Content-Length is {header}, and the body has {len(raw)} bytes; send it whole."
        )
    body = checked(decode_object(text), _Body)
    if body.parameters.get("sequence_id"):
        raise Unsupported("Models keep nothing between requests; take sequence_id out.")
    rest = memoryview(raw)[len(text) :]
    inputs: dict[str, Array] = {}
    for each in body.inputs:
        if each.name in inputs:
            raise InvalidInput(f"The input {each.name[:60]} is sent twice; take one out.")
        size = _size(each)
        if size is not None and size > len(rest):
            raise InvalidInput(f"The binary data of {each.name[:60]} is cut off; send all {size} bytes.")
        taken, rest = rest[: size or 0], rest[size or 0 :]
        inputs[each.name] = _array(each, None if size is None else taken)
    if len(rest):
        raise InvalidInput(f"{len(rest)} bytes of the body belong to no input; set their binary_data_size.")
    wanted = {each.name: bool(each.parameters.get("binary_data")) for each in body.outputs}
    return Asked(body.id, inputs, wanted, bool(body.parameters.get("binary_data_output")))


def _size(given: _Input) -> int | None:
    """Return how many bytes of the rest are an input; None when its values are in the JSON."""
    if "shared_memory_region" in given.parameters:
        raise Unsupported(f"The input {given.name[:60]} is in shared memory, which is not read; send it.")
    size = given.parameters.get("binary_data_size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidInput(f"The binary_data_size of {given.name[:60]} is no number of bytes; mend it.")
    return size


def _array(given: _Input, raw: memoryview | None) -> Array:
    name = f"The input {given.name[:60]}"
    datatype = _datatype(name, given.datatype)
    if raw is None and given.data is None:
        raise InvalidInput(f"{name} has no data; send it.")
    try:
        values = _unpacked(raw, datatype) if raw is not None else from_json("it", given.data, datatype)
        return shaped("it", values, given.shape)
    except InvalidInput as error:
        raise InvalidInput(f"{name} is wrong: {error.message}.") from None


def _datatype(name: str, given: str) -> Datatype:
    for known in DATATYPES:
        if given == known:
            return known
    near = get_close_matches(given.upper(), DATATYPES, 1)
    advice = f"did you mean {near[0]}?" if near else f"take one of {', '.join(DATATYPES)}."
    raise InvalidInput(f"{name} has the datatype {given[:20]}, which there is not; {advice}")


def _unpacked(raw: memoryview, datatype: Datatype) -> Array:
    if datatype == "BYTES":
        return np.asarray(_texts(raw), dtype=object)
    wanted = TYPES[datatype].newbyteorder("<")
    if len(raw) % wanted.itemsize:
        raise InvalidInput(f"its {len(raw)} bytes are no whole number of {datatype}; send all of them")
    if datatype == "BOOL":
        return np.frombuffer(raw, dtype=np.uint8).astype(np.bool_)
    return np.frombuffer(raw, dtype=wanted)


def _texts(raw: memoryview) -> list[str]:
    found, at = [], 0
    while at < len(raw):
        begin = at + _LENGTH.size
        if begin > len(raw) or (end := begin + _LENGTH.unpack_from(raw, at)[0]) > len(raw):
            raise InvalidInput("its texts are cut off; send the length of each before it")
        try:
            found.append(str(raw[begin:end], "utf-8"))
        except UnicodeDecodeError:
            raise InvalidInput("one of its texts is no UTF-8; send text") from None
        at = end
    return found


# --------------------------------------------------------------------------- the answer


def write(asked: Asked, about: Mapping[str, Any], outputs: Mapping[str, Any]) -> tuple[bytes, int | None]:
    """Return the body of an answer, and how long its JSON is when binary tensors follow."""
    told: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for name, array in _wanted(asked, outputs).items():
        row: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
        if asked.outputs.get(name, asked.binary):
            binary.append(_packed(array))
            row["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            row["data"] = to_json(name, array)
        told.append(row)
    id = {"id": asked.id} if asked.id else {}
    text = orjson.dumps({**about, **id, "outputs": told})
    return b"".join((text, *binary)), len(text) if binary else None


def _wanted(asked: Asked, outputs: Mapping[str, Any]) -> dict[str, Array]:
    for name in asked.outputs:
        if name not in outputs:
            raise InvalidInput(f"There is no output {name[:60]}; the outputs are {', '.join(outputs)}.")
    names: Sequence[str] = list(asked.outputs) or list(outputs)
    return {name: _plain(name, outputs[name]) for name in names}


def _plain(name: str, value: Any) -> Array:
    """Return what a model gave as an array of one of the protocol's types."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise InvalidInput(f"The output {name} is ragged and no tensor; ask for another output.") from None
    if array.dtype.kind == "O" and not all(isinstance(each, str) for each in array.flat):
        raise InvalidInput(f"The output {name} is no tensor of numbers or texts; ask for another output.")
    return array


def _packed(array: Array) -> bytes:
    if array.dtype.kind in "OU":
        texts = (text.encode() for text in array.reshape(-1).tolist())
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
