"""The questions that a graph has stopped with, gathered from LangGraph's stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from runtime.errors import InvalidInput
from runtime.records import Interrupt
from runtime.types import JsonObject


@dataclass(slots=True)
class Questions:
    """What one execution asks; `stopped` also by a stop before or after a step, which asks nothing."""

    stopped: bool = False
    _found: dict[str, tuple[Any, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, namespace: tuple[str, ...], interrupts: Sequence[Any]) -> None:
        """Take LangGraph's interrupts; a subgraph's come once more from each graph around it."""
        self.stopped = True
        for each in interrupts:
            known = self._found.get(each.id)
            if known is None or len(namespace) > len(known[1]):
                self._found[each.id] = each, namespace

    def asked(self) -> tuple[Interrupt, ...]:
        """Return the questions; InvalidInput when one is no JSON."""
        return tuple(_interrupt(each, namespace) for each, namespace in self._found.values())


def _interrupt(found: Any, namespace: tuple[str, ...]) -> Interrupt:
    value = found.value
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise InvalidInput(
            f"An interrupt asks with a value that is no JSON ({error}); mend the graph."
        ) from None
    question = Interrupt(found.id, value, namespace, schema_of(found))
    if isinstance(value, Mapping) and isinstance(value.get("expires_at"), int | float):
        return replace(question, expires_at=value["expires_at"], otherwise=value.get("otherwise"))
    return question


def schema_of(interrupt: Any) -> JsonObject | None:
    """Return the JSON Schema of the answer that one of LangGraph's interrupts waits for."""
    schema = interrupt.response_schema
    if schema is None or isinstance(schema, dict):
        return schema
    from pydantic import TypeAdapter

    return TypeAdapter(schema).json_schema()
