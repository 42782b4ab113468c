"""Opens the folder of a version: finds the file of the model, opens it, and calls it once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from runtime.errors import HubbubError, InvalidInput
from runtime.inference.artifacts import FORMATS
from runtime.inference.description import ANY, Description, Tensor, read_description
from runtime.inference.lightgbm_file import open_lightgbm
from runtime.inference.onnx_file import open_onnx
from runtime.inference.opened import Opened
from runtime.inference.tensors import TYPES, Array

_OPEN: Final[Mapping[str, Callable[[Path, Description, int], Opened]]] = {
    "model.onnx": open_onnx,
    "model.txt": open_lightgbm,
}
assert set(_OPEN) == set(FORMATS)

_ROWS = 2
_CLOSE = 1e-3
"""How far a number may be from itself, relatively, when its row is alone: kernels round differently."""


def open_version(folder: Path, cores: int) -> Opened:
    """Return a model that has answered once, or could not because of made-up inputs.

    InvalidInput says why it cannot be opened.  Whether rows of several requests may be one call is tried
    out, unless `model.toml` says it.
    """
    files = [name for name in FORMATS if (folder / name).is_file()]
    if len(files) != 1:
        several = " and ".join(files)
        raise InvalidInput(f"it holds {several}; leave one of them" if files else "it holds no model file")
    said = read_description(folder)
    try:
        opened = _OPEN[files[0]](folder / files[0], said, cores)
    except OSError as error:
        raise InvalidInput(f"{files[0]} cannot be read ({error.strerror}); mend that") from None
    joins = _joins(opened) if said.batches is None else said.batches
    if joins and not opened.rows_vary:
        raise InvalidInput(
            "model.toml says batches = true, and not every first axis may have any size; mend it"
        )
    return replace(opened, joins=joins)


def _joins(opened: Opened) -> bool:
    """Warm the model up, and say whether it gives for two rows together what it gives for each alone."""
    for make in (_varied, _zeros):
        rows = {each.name: make(each) for each in opened.inputs}
        try:
            together = opened.predict(rows, opened.stop())
        except HubbubError:
            continue  # it takes other numbers than these, and its callers know which
        if not opened.rows_vary or make is _zeros:
            return opened.joins
        return _same_alone(opened, rows, together)
    return opened.joins


def _same_alone(opened: Opened, rows: Mapping[str, Array], together: Mapping[str, Array]) -> bool:
    for at in range(_ROWS):
        try:
            alone = opened.predict({name: array[at : at + 1] for name, array in rows.items()}, opened.stop())
        except HubbubError:
            return False
        if not all(_equal(together[name][at : at + 1], alone[name]) for name in together):
            return False
    return True


def _equal(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind == "f":
        return np.allclose(one, other, rtol=_CLOSE, atol=1e-5, equal_nan=True)
    return bool((one == other).all())


def _varied(wanted: Tensor) -> Array:
    """Return rows that differ: small numbers, of whole ones 0 and 1, which are good indexes too."""
    shape = _shape(wanted)
    made = np.random.default_rng(len(wanted.name))
    if wanted.datatype == "BYTES":
        return np.asarray([f"text {at}" for at in range(int(np.prod(shape)))], dtype=object).reshape(shape)
    if wanted.datatype.startswith("FP"):
        return np.asarray(made.normal(size=shape)).astype(TYPES[wanted.datatype])
    found = made.integers(0, 2, size=shape).astype(TYPES[wanted.datatype])
    found[0] = 0
    found[-1] = 1
    return found


def _zeros(wanted: Tensor) -> Array:
    shape = _shape(wanted)
    return np.full(shape, "" if wanted.datatype == "BYTES" else 0, dtype=TYPES[wanted.datatype])


def _shape(wanted: Tensor) -> tuple[int, ...]:
    if not wanted.shape:
        return ()
    first, *rest = wanted.shape
    return (_ROWS if first == ANY else first, *(1 if size == ANY else size for size in rest))
