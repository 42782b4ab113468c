"""One version of a model in service: what it is sent is checked, waits for its turn, and is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.errors import InvalidInput, Unsupported
from runtime.inference.batches import Batches
from runtime.inference.description import ANY
from runtime.inference.opened import Opened
from runtime.inference.tensors import Array, taken

if TYPE_CHECKING:
    from runtime.ports import Context


@dataclass(frozen=True, slots=True)
class Served:
    """A version that answers.  Inputs are named: nested lists of JSON, or arrays."""

    name: str
    version: str
    opened: Opened
    batches: Batches
    most_rows: int

    async def predict(self, inputs: Mapping[str, Any], ctx: Context) -> Mapping[str, Array]:
        """Predict for all rows."""
        arrays, rows = self._taken(inputs)
        return await self.batches.run(self.opened.predict, arrays, rows)

    async def explain(self, inputs: Mapping[str, Any], ctx: Context) -> Mapping[str, Array]:
        """Return what each feature adds to each row's score, and where the score begins."""
        if self.opened.explain is None:
            raise Unsupported(
                f"The model {self.name} cannot be explained, because it is run by {self.opened.platform}; "
                "models of LightGBM can."
            )
        arrays, rows = self._taken(inputs)
        return await self.batches.run(self.opened.explain, arrays, rows)

    def _taken(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Array], int]:
        arrays = taken(inputs, self.opened.inputs)
        varying = [each.name for each in self.opened.inputs if each.shape and each.shape[0] == ANY]
        rows = len(arrays[varying[0]]) if varying else 1
        if rows > self.most_rows:
            raise InvalidInput(
                f"The request has {rows} rows, and {self.most_rows} are the most ([inference] rows); "
                "send it in parts."
            )
        if varying and rows == 0:
            raise InvalidInput("The request has no rows; send at least one.")
        return arrays, rows
