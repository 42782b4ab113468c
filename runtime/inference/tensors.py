"""The values of tensors: from JSON to what a model takes, and back; every refusal is one sentence."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from runtime.errors import InvalidInput
from runtime.inference.description import ANY, Datatype, Tensor

Array: TypeAlias = NDArray[Any]

TYPES: Final[Mapping[Datatype, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}
_NAMES: Final[Mapping[np.dtype[Any], Datatype]] = {dtype: name for name, dtype in TYPES.items()}


def datatype_of(array: Array) -> Datatype:
    """Return the type of an array; InvalidInput for one that no tensor has."""
    if array.dtype.kind in "US":
        return "BYTES"
    try:
        return _NAMES[array.dtype]
    except KeyError:
        raise InvalidInput(f"a tensor cannot hold {array.dtype}; use numbers, truth values or text") from None


def from_json(name: str, data: Any, datatype: Datatype) -> Array:
    """Return nested lists (or an array) as an array; null is NaN where a type has one."""
    if isinstance(data, np.ndarray):
        return _cast(name, data, datatype)
    try:
        found = np.asarray(data)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name} is ragged; make all its rows equally long") from None
    if found.ndim == 0 and not isinstance(data, list):
        raise InvalidInput(f"{name} is no list; send its values in a list, a row in each")
    if found.dtype.kind == "O":
        found = _objects(name, np.asarray(data, dtype=object), datatype)
    elif datatype == "BYTES" and found.dtype.kind == "U":
        found = np.asarray(data, dtype=object)  # else a number among the texts would have become a text
    return _cast(name, found, datatype)


def _objects(name: str, found: Array, datatype: Datatype) -> Array:
    """Return values of several types as numbers, if they are numbers and nulls."""
    if datatype == "BYTES":
        return found
    if found.size and all(value is None or type(value) in (int, float) for value in found.flat):
        if datatype.startswith("FP"):
            with contextlib.suppress(OverflowError):
                return found.astype(np.float64)
        elif any(value is None for value in found.flat):
            raise InvalidInput(f"{name} holds null, which is no {datatype}; send a value")
        raise InvalidInput(f"{name} holds a number that is too large for {datatype}; send a smaller one")
    if found.size and any(isinstance(value, list) for value in found.flat):
        raise InvalidInput(f"{name} is ragged; make all its rows equally long")
    raise InvalidInput(f"{name} holds what is no {datatype}; send one type of value alone")


def _cast(name: str, found: Array, datatype: Datatype) -> Array:
    """Return an array as one of the type; nothing is lost on the way."""
    wanted = TYPES[datatype]
    if datatype == "BYTES":
        return _texts(name, found)
    if found.dtype == wanted:
        return found
    if found.size == 0 and found.dtype.kind == "f":
        return found.astype(wanted)
    if wanted.kind == "f" and found.dtype.kind in "iuf":
        with np.errstate(over="ignore"):
            cast = found.astype(wanted)
        if np.isinf(cast).any() and not np.isinf(found).any():
            raise InvalidInput(f"{name} holds a number that is too large for {datatype}; send a smaller one")
        return cast
    if wanted.kind in "iu" and found.dtype.kind in "iu":
        bounds = np.iinfo(wanted)
        if found.size and (int(found.min()) < bounds.min or int(found.max()) > bounds.max):
            raise InvalidInput(
                f"{name} holds a number that is no {datatype}; keep it in {bounds.min}..{bounds.max}"
            )
        return found.astype(wanted)
    held = {"b": "truth values", "i": "whole numbers", "u": "whole numbers", "f": "decimal numbers"}
    raise InvalidInput(
        f"{name} holds {held.get(found.dtype.kind, 'text')}, and is {datatype}; send that type"
    )


def _texts(name: str, found: Array) -> Array:
    if found.dtype.kind not in "OU" or not all(isinstance(value, str) for value in found.flat):
        raise InvalidInput(f"{name} holds what is no text, and is BYTES; send texts")
    return found.astype(object)


def shaped(name: str, values: Array, shape: Sequence[int]) -> Array:
    """Return flat (or nested) values in the shape that was declared for them."""
    if any(size < 0 for size in shape):
        raise InvalidInput(f"{name} has the shape {list(shape)}; a size is 0 or more")
    if math.prod(shape) != values.size:
        raise InvalidInput(
            f"{name} has the shape {list(shape)} and {values.size} values; send as many as that"
        )
    try:
        return values.reshape(tuple(shape))
    except (ValueError, OverflowError):  # more axes than an array has, or 0 times a huge number
        raise InvalidInput(f"{name} has a shape that no array has; mend it") from None


def taken(inputs: Mapping[str, Any], wanted: Sequence[Tensor]) -> dict[str, Array]:
    """Return what was sent as the arrays that a model takes; InvalidInput says what does not fit.

    Values are lists of JSON or arrays.  All inputs whose first axis may have any size have as many rows.
    """
    known = [each.name for each in wanted]
    for name in inputs:
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            advice = f"did you mean {near[0]}?" if near else f"its inputs are {', '.join(known)}."
            raise InvalidInput(f"There is no input {str(name)[:60]}; {advice}")
    arrays = {each.name: _taken(inputs, each) for each in wanted}
    rows = {each.name: len(arrays[each.name]) for each in wanted if each.shape and each.shape[0] == ANY}
    if len(set(rows.values())) > 1:
        several = ", ".join(f"{count} of {name}" for name, count in list(rows.items())[:5])
        raise InvalidInput(f"The inputs have different numbers of rows ({several}); send as many of each.")
    return arrays


def _taken(inputs: Mapping[str, Any], wanted: Tensor) -> Array:
    if wanted.name not in inputs:
        raise InvalidInput(f"The input {wanted.shown} is missing; send it.")
    sent = inputs[wanted.name]
    if isinstance(sent, np.ndarray) and (told := datatype_of(sent)) != wanted.datatype:
        raise InvalidInput(
            f"The input {wanted.shown} was sent as {told}; send {wanted.datatype}."
        )  # a type is agreed on: a cast would hide that both sides think of something else
    try:
        found = from_json("it", sent, wanted.datatype)
    except InvalidInput as error:
        raise InvalidInput(f"The input {wanted.shown} is wrong: {error.message}.") from None
    fits = found.ndim == len(wanted.shape) and all(
        size in (ANY, here) for here, size in zip(found.shape, wanted.shape, strict=True)
    )
    if not fits:
        raise InvalidInput(
            f"The input {wanted.shown} was sent with the shape {list(found.shape)}; send one that fits "
            f"({ANY} is any size)."
        )
    if found.dtype.kind == "f":
        if np.isinf(found).any():
            raise InvalidInput(f"The input {wanted.shown} holds Infinity; send finite numbers.")
        if not wanted.missing and np.isnan(found).any():
            raise InvalidInput(
                f"The input {wanted.shown} holds NaN or null, which the model does not take; send numbers."
            )
    return found


def to_json(name: str, array: Array) -> list[Any]:
    """Return the values in a flat list; InvalidInput for what JSON has no number for."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidInput(
            f"The output {name} holds NaN or Infinity, which JSON cannot carry; ask for it as binary data, "
            "or mend the model."
        )
    flat: list[Any] = array.reshape(-1).tolist()
    return flat
