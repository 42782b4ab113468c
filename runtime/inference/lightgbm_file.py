"""Opens `model.txt` with LightGBM: rows of numbers in, probabilities and contributions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InvalidInput
from runtime.inference.description import ANY, Description, Said, Tensor, agreed
from runtime.inference.opened import Opened
from runtime.inference.tensors import Array

_END = b"end of trees"
_PROBABLE = ("binary", "multiclass", "multiclassova", "cross_entropy", "cross_entropy_lambda")

NO_OPENMP = (
    "LightGBM needs the OpenMP library libgomp of the system; install it (apt-get install libgomp1, or "
    "dnf install libgomp)"
)


def open_lightgbm(file: Path, said: Description, cores: int) -> Opened:
    """Open a model whose calls use so many threads; InvalidInput when it cannot be opened.

    A file that is damaged inside may end the process: open it in one of its own first.
    """
    text = _text(file)
    try:
        import lightgbm
    except OSError as error:
        if "libgomp" in str(error) or "libomp" in str(error):
            raise InvalidInput(NO_OPENMP) from None
        raise InvalidInput(f"LightGBM cannot be loaded ({error}); install it again") from None
    try:
        booster = lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, ValueError, KeyError) as error:
        raise InvalidInput(f"LightGBM cannot open {file.name} ({error}); save it again") from None
    return _opened(booster, text, said, cores)


def _text(file: Path) -> str:
    data = file.read_bytes()
    if not data.startswith(b"tree\n") and not data.startswith(b"tree\r\n"):
        raise InvalidInput(f"{file.name} is no model of LightGBM; write it with Booster.save_model")
    if _END not in data:
        raise InvalidInput(f"{file.name} is cut off; copy it again, whole")
    try:
        text = data.decode()
        sound = all(_is_tree(tree) for tree in text.split("\nTree=")[1:])
    except (UnicodeDecodeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise InvalidInput(f"{file.name} is damaged; copy it again, whole")
    return text


def _is_tree(text: str) -> bool:
    """Whether every inner node and every leaf has one parent, so that no row goes round for ever."""
    lines = (line.partition("=") for line in text.splitlines())
    found = {key: value for key, _, value in lines if key in ("num_leaves", "left_child", "right_child")}
    leaves = int(found["num_leaves"])
    if leaves == 1:
        return True
    children = np.array([*found["left_child"].split(), *found["right_child"].split()], dtype=np.int64)
    return bool(np.array_equal(np.sort(children), np.r_[-leaves:0, 1 : leaves - 1]))


def _opened(booster: Any, text: str, said: Description, cores: int) -> Opened:
    width, classes = booster.num_feature(), booster.num_model_per_iteration()
    names = booster.feature_name()
    inputs = _inputs(width, said.inputs)
    output = _output(text, classes, said.outputs)
    shape = (ANY,) if classes == 1 else (ANY, classes)

    def predict(arrays: Mapping[str, Array], stop: Any) -> Mapping[str, Array]:
        found = booster.predict(_matrix(arrays, inputs), num_threads=cores)
        return {output.name: np.asarray(found, dtype=np.float64)}

    def explain(arrays: Mapping[str, Array], stop: Any) -> Mapping[str, Array]:
        rows = _matrix(arrays, inputs)
        found = np.asarray(booster.predict(rows, pred_contrib=True, num_threads=cores))
        parts = found.reshape(len(rows), *shape[1:], width + 1)
        return {
            "contributions": np.ascontiguousarray(parts[..., :-1]),
            "base": np.ascontiguousarray(parts[..., -1]),
            "features": np.asarray(names, dtype=object),
        }

    return Opened("lightgbm", inputs, (output,), predict, explain, joins=True, about=said.description)


def _inputs(width: int, said: Sequence[Said]) -> tuple[Tensor, ...]:
    """Return one matrix, `features`, or what `model.toml` says: one of another name, or each column alone."""
    matrix = Tensor("features", "FP64", (ANY, width), missing=True)
    if not said:
        return (matrix,)
    if len(said) == 1 and (width > 1 or len(said[0].shape or ()) == 2):
        return (_numeric(matrix, said[0]),)
    if len(said) != width:
        raise InvalidInput(
            f"model.toml has {len(said)} inputs, and the model {width}; name one, or all of them"
        )
    return tuple(_numeric(Tensor(each.name, "FP64", (ANY,), missing=True), each) for each in said)


def _numeric(found: Tensor, said: Said) -> Tensor:
    datatype = said.datatype or "FP64"
    if datatype == "BYTES":
        raise InvalidInput(f"model.toml says that {said.name} is text, and LightGBM takes numbers; mend it")
    return agreed(Tensor(said.name, datatype, found.shape, found.missing), said)


def _output(text: str, classes: int, said: Sequence[Said]) -> Tensor:
    objective = next(
        (line[10:].split()[0] for line in text[:5000].splitlines() if line.startswith("objective=")), ""
    )
    name = "probability" if objective in _PROBABLE else "value"
    found = Tensor(said[0].name if said else name, "FP64", (ANY,) if classes == 1 else (ANY, classes))
    if len(said) > 1:
        raise InvalidInput(
            "model.toml has several outputs, and a model of LightGBM has one; take the others out"
        )
    return agreed(found, said[0]) if said else found


def _matrix(arrays: Mapping[str, Array], inputs: Sequence[Tensor]) -> Array:
    columns = [np.asarray(arrays[each.name], dtype=np.float64) for each in inputs]
    return columns[0] if columns[0].ndim == 2 else np.column_stack(columns)
