"""A predictive model: named arrays in, named arrays out, for `use = "model.sample"` in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub import Context, JsonObject, hookimpl

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"size": {"type": "array", "items": {"type": "number"}}},
    "required": ["size"],
}


class Sample:
    """Predicts a price from a size, for many rows at once."""

    name = "sample"
    schema = SCHEMA
    examples = ({"size": [40.0, 75.5]}, {"size": [120.0]})

    async def predict(self, inputs: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        """Predict one price for each size, in their order."""
        return {"price": [100.0 + 3.5 * size for size in inputs["size"]]}


@hookimpl
def register_models() -> list[Sample]:
    """Supply `model.sample`."""
    return [Sample()]
