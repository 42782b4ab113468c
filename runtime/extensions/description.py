"""How a plugin in a process of its own describes its objects, and what stands for their models in the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import PydanticUndefined, to_jsonable_python

from runtime.types import StatePath, StatePathMark

ATTRIBUTES: Final = ("size", "description", "stage", "schema", "examples")
"""What the hub reads of an object beside its name and its models."""

_TYPES: Final[Mapping[str, Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_BOUNDS: Final = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}


def describe_model(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's fields and its JSON Schema as plain values."""
    schema = model.model_json_schema()
    properties = schema.get("properties", {})
    fields = []
    for name, field in model.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        fields.append(
            {
                "name": name,
                "alias": field.alias,
                "required": field.is_required(),
                "default": to_jsonable_python(
                    None if default is PydanticUndefined else default, fallback=str
                ),
                "schema": properties.get(field.alias or name, {}),
                "state_path": any(isinstance(mark, StatePathMark) for mark in field.metadata),
            }
        )
    extra = model.model_config.get("extra")
    return {"title": model.__name__, "fields": fields, "schema": schema, "extra": extra}


def model_of(found: Mapping[str, Any]) -> type[BaseModel]:
    """Return a model that takes what the described one takes, as far as a schema can say it.

    The plugin's own model has the last word, in its process.
    """
    fields: dict[str, Any] = {}
    for field in found["fields"]:
        kind = StatePath if field["state_path"] else _type_of(field["schema"])
        default = ... if field["required"] else field["default"]
        fields[field["name"]] = (kind, Field(default, alias=field["alias"]))
    schema = found["schema"]

    class Described(BaseModel):
        """A model in another process."""

        model_config = ConfigDict(extra=found["extra"], populate_by_name=True)

        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            return dict(schema)

    return create_model(str(found["title"]), __base__=Described, **fields)


def _type_of(schema: Mapping[str, Any]) -> Any:
    """Return the type that a JSON Schema describes; Any where it says more than a type can."""
    if choices := schema.get("enum"):
        return Literal[tuple(choices)]
    if several := schema.get("anyOf"):
        return _optional(several)
    kind = _TYPES.get(str(schema.get("type")), Any)
    bounds = {_BOUNDS[key]: schema[key] for key in _BOUNDS if key in schema}
    return Annotated[kind, Field(**bounds)] if bounds and kind in (int, float) else kind


def _optional(several: Sequence[Mapping[str, Any]]) -> Any:
    others = [each for each in several if each.get("type") != "null"]
    return _type_of(others[0]) | None if len(others) == 1 and len(several) == 2 else Any
