"""What clients may ask of one run beside its input, checked before the run is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from runtime.errors import InvalidInput
from runtime.graphs.fields import Field
from runtime.graphs.file import Limits
from runtime.graphs.findings import in_sentence, near
from runtime.graphs.version import OURS
from runtime.types import JsonObject


def check_limits(config: JsonObject, limits: Limits) -> None:
    """Refuse more steps than the graph's own limit."""
    steps = config.get("recursion_limit")
    if steps is None:
        return
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InvalidInput("`config.recursion_limit` is a whole number of steps above 0; mend it.")
    if steps > limits.max_steps:
        raise InvalidInput(
            f"`config.recursion_limit` is {steps} and the graph's own limit {limits.max_steps}; "
            "ask for fewer steps, or raise the limit of the graph."
        )


def refuse_own_values(config: JsonObject) -> None:
    """Refuse `configurable` and `context` for a graph that reads neither."""
    if values_of(config):
        raise InvalidInput(
            "`config.configurable` holds nothing that this graph reads; put the values into `input`."
        )
    if config.get("context"):
        raise InvalidInput("This graph takes no `context`; put the values into `input`.")


def settings_of(config: JsonObject, graph: str, declared: Mapping[str, Field]) -> JsonObject:
    """Return what a run sets other than its graph; InvalidInput for no setting, or one out of bounds."""
    context = config.get("context") or {}
    if not isinstance(context, dict):
        raise InvalidInput("`context` is an object; mend it.")
    given = {**values_of(config), **context}
    for name in given:
        if name not in declared:
            remedy = in_sentence(near(name, declared))
            raise InvalidInput(f"The graph {graph} has no setting {name[:60]}; {remedy}")
    return {name: declared[name].checked(value, f"The setting {name}") for name, value in given.items()}


def values_of(config: JsonObject) -> JsonObject:
    """Return what a client put into `configurable`; what the hub itself says there is left out."""
    given = config.get("configurable") or {}
    return {name: value for name, value in given.items() if name not in OURS}


def check_values(config: JsonObject, schema: Any) -> None:
    """Refuse values of LangGraph's own, and a context that does not fit its declared type."""
    for name in values_of(config):
        if name.startswith("__"):
            raise InvalidInput(f"`config.configurable.{name[:40]}` is LangGraph's own; leave it out.")
    context = config.get("context")
    if context is None:
        return
    if not isinstance(context, dict):
        raise InvalidInput("`context` is an object; mend it.")
    if schema is not None:
        _check_context(context, schema)


def _check_context(context: JsonObject, schema: Any) -> None:
    from runtime.graphs.schemas import context_adapter

    adapter = context_adapter(schema)
    try:
        adapter.validate_python(context)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(["context", *map(str, first["loc"])])
        raise InvalidInput(f"`{where}` does not fit: {first['msg']}; mend it.") from None
    known = adapter.json_schema().get("properties", {})
    for name in context:
        if known and name not in known:
            raise InvalidInput(f"The graph's context has no {name}; there is {', '.join(known)}.")
