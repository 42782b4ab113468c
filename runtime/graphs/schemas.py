"""JSON Schemas of a graph written in Python, from the types its author declared."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from pydantic import TypeAdapter, create_model
from typing_extensions import TypedDict, is_typeddict

from runtime.types import JsonObject

if TYPE_CHECKING:
    from langgraph.pregel import Pregel

    Graph = Pregel[Any, Any, Any, Any]

INPUT: Final = "input"
OUTPUT: Final = "output"
"""The one field of an input or output that is no object by itself, as in a function of a text."""


def input_schema(graph: Graph) -> JsonObject:
    """Return the schema of what a run is given: an object."""
    return _as_object(_tried(graph.get_input_jsonschema), INPUT)


def output_schema(graph: Graph) -> JsonObject:
    """Return the schema of what a run gives: an object."""
    return _as_object(_tried(graph.get_output_jsonschema), OUTPUT)


def state_schema(graph: Graph) -> JsonObject:
    """Return the schema of what the steps share."""
    if isinstance(graph.stream_channels_asis, str):
        return output_schema(graph)
    found: dict[str, Any] = {}
    for name in graph.stream_channels_list:
        kind = getattr(graph.channels[name], "UpdateType", Any)
        one = _model("One", {name: (kind, None)})
        found[name] = (Any if one is None else kind, None)
    return _model(graph.get_name("State"), found) or {"type": "object"}


def context_schema(graph: Graph) -> JsonObject | None:
    """Return the schema of what a run may be given beside its input; None when none is declared."""
    if graph.context_schema is None:
        return None
    return _tried(lambda: context_adapter(graph.context_schema).json_schema())


def context_adapter(declared: Any) -> TypeAdapter[Any]:
    """Return what checks a context of the declared type."""
    if is_typeddict(declared):
        # Before Python 3.12 pydantic takes no TypedDict of the standard library.
        make: Any = TypedDict
        hints = get_type_hints(declared, include_extras=True)
        return TypeAdapter(make(declared.__name__, hints, total=declared.__total__))
    return TypeAdapter(declared)


def all_schemas(graph: Graph) -> JsonObject:
    """Return every schema of a graph inside another, as the SDK knows them."""
    context = context_schema(graph)
    return {
        "graph_id": graph.get_name(),
        "input_schema": input_schema(graph),
        "output_schema": output_schema(graph),
        "state_schema": state_schema(graph),
        "config_schema": context,
        "context_schema": context,
    }


def takes_object(graph: Graph) -> bool:
    """Whether the input is an object by itself."""
    return _is_object(_tried(graph.get_input_jsonschema))


def _tried(make: Callable[[], JsonObject | None]) -> JsonObject:
    """Return a schema; an author's type may have none, and then any object will do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make() or {"type": "object"}
    except Exception:
        return {"type": "object"}


def _model(name: str, fields: dict[str, Any]) -> JsonObject | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schema: JsonObject = create_model(name, **fields).model_json_schema()
            return schema
    except Exception:
        return None


def _is_object(schema: JsonObject) -> bool:
    return bool(schema.get("type", "object") == "object")


def _as_object(schema: JsonObject, name: str) -> JsonObject:
    if _is_object(schema):
        return schema
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    whole: JsonObject = {"type": "object", "properties": {name: inner}, "required": [name]}
    return whole | ({"$defs": schema["$defs"]} if "$defs" in schema else {})
