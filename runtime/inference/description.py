"""What a model takes and gives: named tensors, and the optional `model.toml` that says it in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec

from runtime.errors import InvalidInput
from runtime.toml import MAX_BYTES, parse_toml
from runtime.types import JsonObject

FILE = "model.toml"

Datatype: TypeAlias = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
]
"""The types of the Open Inference Protocol; BYTES is text."""

DATATYPES: Final[tuple[Datatype, ...]] = get_args(Datatype)
ANY = -1
"""Stands in a shape for any size."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output.  `missing`: NaN (in JSON null) is a value that is not known, not a mistake."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    missing: bool = False
    labels: tuple[str, ...] = ()
    """Of an output: what the columns of its last axis stand for."""

    @property
    def row(self) -> JsonObject:
        """What metadata says of it."""
        about: JsonObject = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        return {**about, "labels": list(self.labels)} if self.labels else about

    @property
    def shown(self) -> str:
        """Its name, type and shape, for sentences."""
        return f"{self.name} ({self.datatype} {list(self.shape)})"


_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Shape = Annotated[tuple[Annotated[int, msgspec.Meta(ge=ANY)], ...], msgspec.Meta(min_length=1, max_length=8)]


class Said(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `model.toml` says of an input or output; what it leaves out is what the file of the model says."""

    name: _Text
    datatype: Datatype | None = None
    shape: _Shape | None = None
    missing: bool | None = None
    labels: tuple[_Text, ...] = ()


class Description(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole `model.toml`.  `batches`: whether rows of several requests may be one call."""

    description: str = ""
    batches: bool | None = None
    inputs: tuple[Said, ...] = ()
    outputs: tuple[Said, ...] = ()


def read_description(folder: Path) -> Description:
    """Return what `model.toml` says, nothing when there is none; InvalidInput when it cannot be read."""
    try:
        with (folder / FILE).open("rb") as opened:
            text = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Description()
    except OSError as error:
        raise InvalidInput(f"{FILE} cannot be read ({error.strerror}); mend that") from None
    data = parse_toml(text, FILE).data
    try:
        said = msgspec.convert(data, Description)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{FILE} is wrong ({_words(error)}); mend it") from None
    for tensors in (said.inputs, said.outputs):
        names = [each.name for each in tensors]
        if twin := next((name for name in names if names.count(name) > 1), ""):
            raise InvalidInput(f"{FILE} names {twin} twice; take one out")
    return said


def _words(error: msgspec.ValidationError) -> str:
    words = str(error).replace("`", "").replace("$.", "")
    return words[:1].lower() + words[1:]


def agreed(found: Tensor, said: Said) -> Tensor:
    """Return an input or output with what `model.toml` says of it; InvalidInput when both cannot be so."""
    shape = said.shape or found.shape
    fits = len(shape) == len(found.shape) and all(
        here in (ANY, there) for here, there in zip(found.shape, shape, strict=True)
    )
    if not fits or said.datatype not in (None, found.datatype):
        raise InvalidInput(
            f"{FILE} says something else of {said.name} than the model: {found.shown}; mend it"
        )
    if said.labels and shape[-1] not in (ANY, len(said.labels)):
        raise InvalidInput(
            f"{FILE} has {len(said.labels)} labels for {found.shown}; write one for each column"
        )
    missing = found.missing if said.missing is None else said.missing
    return Tensor(found.name, found.datatype, shape, missing, said.labels)
