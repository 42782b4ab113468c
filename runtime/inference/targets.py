"""Whom a request to a predictive model goes to: a version of the folder, or an object of a plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import NotFound, Unsupported
from runtime.extensions import guard
from runtime.inference.description import Datatype, Tensor
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.extensions.catalog import Catalog, Registered
    from runtime.inference.models import Models
    from runtime.inference.tensors import Array
    from runtime.ports import Context
    from runtime.telemetry import Telemetry

_ONLY = "1"
"""The version of what a plugin supplies: it has one at a time."""

_TYPES: Final[Mapping[str, Datatype]] = {
    "number": "FP64",
    "integer": "INT64",
    "boolean": "BOOL",
    "string": "BYTES",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A model that answers: what it is called as, and what is known of it."""

    registered: Registered
    version: str
    versions: Sequence[str]
    platform: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]

    @property
    def name(self) -> str:
        """Its name."""
        return self.registered.name

    @property
    def explains(self) -> bool:
        """Whether it can say why it answers as it does."""
        return callable(getattr(self.registered.value, "explain", None))

    @property
    def metadata(self) -> JsonObject:
        """What the Open Inference Protocol says of a model."""
        return {
            "name": self.name,
            "versions": list(self.versions),
            "platform": self.platform,
            "inputs": [each.row for each in self.inputs],
            "outputs": [each.row for each in self.outputs],
        }


async def target(models: Models, catalog: Catalog, name: str, version: str = "") -> Target:
    """Return the model of a name, by default its newest version; NotFound when there is none."""
    if (model := models.get(name)) is not None:
        served = await model.served(version)
        there = [str(number) for number, each in sorted(model.versions.items()) if each.served]
        opened = served.opened
        return Target(
            models.registered(served), served.version, there, opened.platform, opened.inputs, opened.outputs
        )
    registered = catalog.get("model", name)
    if registered is None:
        known = catalog.names("model")
        near = get_close_matches(name, known, 1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:20]) or 'none'}."
        raise NotFound(f"There is no model {name[:60]}; {advice}")
    if version not in ("", _ONLY):
        raise NotFound(f"The model {name} has no version {version[:20]}; it has the version {_ONLY} alone.")
    return Target(registered, _ONLY, [_ONLY], "hubbub_plugin", _inputs(registered.value.schema), ())


def _inputs(schema: JsonObject) -> list[Tensor]:
    """Return what a JSON Schema says of the inputs of a plugin's model, as far as it does."""
    properties = schema.get("properties")
    found = (
        [_input(name, about) for name, about in properties.items()] if isinstance(properties, dict) else []
    )
    return [each for each in found if each is not None]


def _input(name: str, about: Any) -> Tensor | None:
    """Return one of them; None when its type is not said."""
    levels = 0
    while isinstance(about, dict) and about.get("type") == "array":
        about, levels = about.get("items"), levels + 1
    datatype = _TYPES.get(str(about.get("type"))) if isinstance(about, dict) else None
    return Tensor(name, datatype, (-1,) * max(1, levels)) if datatype else None


async def ask(
    found: Target, method: str, inputs: Mapping[str, Any], ctx: Context, telemetry: Telemetry
) -> Mapping[str, Array]:
    """Return what a model predicts or explains; its errors are those of plugins' calls."""
    if method == "explain" and not found.explains:
        raise Unsupported(f"The model {found.name} cannot be explained; ask another one, or predict.")
    with telemetry.inference_span(found.name) as span:
        span.set(model_version=found.version)
        outputs: Mapping[str, Array] = await guard.call(
            found.registered, method, inputs, ctx, deadline=ctx.deadline
        )
    return outputs
