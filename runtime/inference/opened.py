"""A model that was opened: what it takes and gives, and the functions that call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from runtime.inference.description import ANY, Tensor
from runtime.inference.tensors import Array


class Stop(Protocol):
    """Ends a call from outside, where the library can: once it is set to true the call fails."""

    terminate: bool


@dataclass
class Deaf:
    """What a library is given whose calls cannot be ended."""

    terminate: bool = False


Function = Callable[[Mapping[str, Array], Any], Mapping[str, Array]]
"""Takes all inputs and a `Stop`, in any thread; raises InvalidInput for inputs that it cannot take."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model in memory.  `joins`: the rows of several requests may be one call."""

    platform: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    predict: Function
    explain: Function | None = None
    stop: Callable[[], Stop] = Deaf
    joins: bool = False
    about: str = ""

    @property
    def rows_vary(self) -> bool:
        """Whether the first axis of everything is the rows of a batch, by its shape."""
        return all(each.shape and each.shape[0] == ANY for each in (*self.inputs, *self.outputs))
