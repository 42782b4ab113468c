"""step.predict: asks the predictive model that a run names, of the folder or of a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from hubbub import Context, hookimpl


class Question(BaseModel):
    """Which model, by default its newest version, and its named inputs."""

    model: str
    inputs: dict[str, Any]
    version: str | None = None


class Predict:
    """For graphs that know only in a run which model they ask; the others use `model.NAME`."""

    name = "predict"
    Params = Question

    async def run(self, state: Mapping[str, Any], params: Question, ctx: Context) -> Mapping[str, Any]:
        """Return the model's named outputs."""
        return await ctx.predict(params.model, params.inputs, params.version or "")


@hookimpl
def register_steps() -> list[Predict]:
    """Supply `step.predict`."""
    return [Predict()]
