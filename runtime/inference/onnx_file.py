"""Opens `model.onnx` with onnxruntime: on the CPU, without operators or data from outside its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from runtime.errors import InvalidInput
from runtime.inference.description import ANY, Datatype, Description, Said, Tensor, agreed
from runtime.inference.opened import Opened
from runtime.inference.tensors import Array

_TYPES: Final[Mapping[str, Datatype]] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed:)?(Fatal error: )?")
_QUIET = 4
"""Of the library's own log only what is fatal: errors are raised too."""


def open_onnx(file: Path, said: Description, cores: int) -> Opened:
    """Open a model whose calls use so many threads; InvalidInput when it cannot be opened."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = cores, 1
    options.log_severity_level = _QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library has a class of its own for each of its reasons
        raise InvalidInput(
            f"onnxruntime cannot open {file.name} ({_reason(error)}); export it again"
        ) from None
    inputs = [_tensor(each) for each in session.get_inputs()]
    given = [_tensor(each) for each in session.get_outputs()]
    outputs = [each for each in given if each is not None]
    if None in inputs or not outputs:
        raise InvalidInput(
            f"{file.name} takes or gives values that are no tensors; export it so that all are (zipmap=False)"
        )
    chosen = _described([each for each in inputs if each], said.inputs, "input")
    if said.inputs and len(chosen) < len(inputs):
        raise InvalidInput("model.toml leaves out an input of the model; name all of them, or none")
    shown = _described(outputs, said.outputs, "output")
    names = [each.name for each in shown]

    def predict(arrays: Mapping[str, Array], stop: Any) -> Mapping[str, Array]:
        try:
            return dict(zip(names, session.run(names, dict(arrays), stop), strict=True))
        except Exception as error:
            raise InvalidInput(
                f"The model cannot take these inputs ({_reason(error)}); send others."
            ) from None

    return Opened(
        "onnxruntime_onnx",
        tuple(chosen),
        tuple(shown),
        predict,
        stop=_stop(onnxruntime),
        about=said.description,
    )


def _stop(onnxruntime: Any) -> Any:
    def make() -> Any:
        options = onnxruntime.RunOptions()
        options.log_severity_level = _QUIET
        return options

    return make


def _tensor(found: Any) -> Tensor | None:
    """Return what a session says of an input or output; None for what is no tensor."""
    datatype = _TYPES.get(found.type)
    if datatype is None:
        return None
    shape = tuple(size if isinstance(size, int) else ANY for size in found.shape)
    return Tensor(found.name, datatype, shape)


def _described(found: Sequence[Tensor], said: Sequence[Said], what: str) -> list[Tensor]:
    """Return those that `model.toml` names, all when it names none."""
    known = {each.name: each for each in found}
    for each in said:
        if each.name not in known:
            raise InvalidInput(
                f"model.toml names the {what} {each.name}, and the model has {', '.join(known)}; mend it"
            )
    return [agreed(known[each.name], each) for each in said] or list(found)


def _reason(error: Exception) -> str:
    """Return the library's own words, without its numbers and this machine's paths."""
    words = str(error)
    if "External data path" in words:
        return "it refers to data outside of its folder, which is never read"
    words = _PREFIX.sub("", words)
    return " ".join(words.split()).rstrip(".")[:300] or type(error).__name__
