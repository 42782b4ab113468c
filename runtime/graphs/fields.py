"""The types of a graph's input and state: what a file may declare, and checking values against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from runtime.errors import InvalidInput
from runtime.types import JsonObject

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter

    from runtime.graphs.refusals import Refusal

TYPES: Final = ("text", "int", "number", "bool", "list", "object", "any")
MERGES: Final = ("append", "add", "last", "messages")


@dataclass(frozen=True)
class Field:
    """One declared field.  `optional` says that it may stay empty (`type = "text?"`)."""

    name: str
    type: str
    optional: bool = False
    fields: Mapping[str, Field] = field(default_factory=dict)
    one_of: tuple[Any, ...] = ()
    min: float | None = None
    max: float | None = None
    match: str | None = None
    default: Any = None
    merge: Literal["append", "add", "last", "messages"] | None = None

    @property
    def needed(self) -> bool:
        """Whether somebody has to give it a value."""
        return not self.optional and self.default is None

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Checks a value and knows the JSON Schema."""
        from pydantic import TypeAdapter

        return TypeAdapter(self.annotation())

    def annotation(self) -> Any:
        """Return the type as pydantic reads it."""
        from pydantic import Field as Constraint
        from pydantic import Strict

        if self.fields:
            plain: Any = model_of(self.name, self.fields, extra=True)
        else:
            plain = _PLAIN[self.type]
        if self.one_of:
            plain = Literal[self.one_of]
        elif self.type in ("text", "int", "number", "bool"):
            plain = Annotated[plain, Strict()]
        limits: dict[str, Any] = {"ge": self.min, "le": self.max}
        if self.type in ("text", "list"):
            limits = {"min_length": self.min, "max_length": self.max, "pattern": self.match}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        if given:
            plain = Annotated[plain, Constraint(**given)]
        return plain | None if self.optional else plain

    def checked(self, value: Any, what: str) -> Any:
        """Return the value as JSON; InvalidInput begins with `what` and says what is wrong."""
        from pydantic import ValidationError

        if value is None and not self.needed:
            return self.default
        try:
            made = self.adapter.validate_python(value)
        except ValidationError as error:
            raise InvalidInput(_sentence(error, what)) from None
        # A model stands for a JSON object with named fields; what was given is already that.
        return value if self.fields else made

    def refusal(self, value: Any) -> Refusal | None:
        """Return why a value that somebody wrote is none, and what to write instead."""
        from pydantic import ValidationError

        from runtime.graphs.refusals import refusal

        if value is None and not self.needed:
            return None
        try:
            self.adapter.validate_python(value)
        except ValidationError as error:
            return refusal(error)
        return None

    def kept(self, value: Any, what: str) -> Any:
        """Return a value as the state holds it; InvalidInput when it has another type."""
        if self.merge == "append" and not isinstance(value, list):
            return [] if value is None else [value]
        return None if value is None else self.checked(value, what)


_PLAIN: dict[str, Any] = {
    "text": str,
    "int": int,
    "number": float,
    "bool": bool,
    "list": list[Any],
    "object": dict[str, Any],
    "any": Any,
}


def model_of(name: str, fields: Mapping[str, Field], *, extra: bool = False) -> type[BaseModel]:
    """Return a pydantic model of some fields; `extra` keeps what is not declared."""
    from pydantic import ConfigDict, create_model
    from pydantic import Field as Constraint

    # Aliases, because a field may be called "schema" or "copy", which models have themselves.
    members: dict[str, Any] = {}
    for number, one in enumerate(fields.values()):
        default = ... if one.needed else one.default
        members[f"field_{number}"] = (one.annotation(), Constraint(default, alias=one.name))
    config = ConfigDict(extra="allow" if extra else "forbid")
    made: type[BaseModel] = create_model(name, __config__=config, **members)
    return made


def schema_of(name: str, fields: Mapping[str, Field]) -> JsonObject:
    """Return the JSON Schema of an object with these fields."""
    return model_of(name, fields).model_json_schema(by_alias=True)


def checked_input(graph: str, fields: Mapping[str, Field], given: JsonObject | None) -> JsonObject:
    """Return a run's input with its defaults; InvalidInput names the first thing that is wrong."""
    values = given or {}
    for name in values:
        if name not in fields:
            from runtime.graphs.findings import in_sentence, near

            remedy = in_sentence(near(str(name), fields))
            raise InvalidInput(f"The graph {graph} has no input {_short(name)}; {remedy}")
    found = {}
    for name, one in fields.items():
        if values.get(name) is None and one.needed:
            raise InvalidInput(f"The graph {graph} needs the input {name} ({one.type}); send it.")
        found[name] = one.checked(values.get(name), f"The input {name}")
    return found


def checked_change(graph: str, fields: Mapping[str, Field], given: Mapping[str, Any]) -> JsonObject:
    """Return a change of a state as the state holds it; InvalidInput names the first thing that is wrong."""
    for name in given:
        if name not in fields:
            from runtime.graphs.findings import near

            raise InvalidInput(f"The state of {graph} has no field {_short(name)}; {near(str(name), fields)}")
    return {name: fields[name].kept(value, f"The field {name}") for name, value in given.items()}


def _sentence(error: Any, what: str) -> str:
    """Put the first mistake into words, with its place inside the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    inside = "".join(f".{part}" for part in first["loc"] if not str(part).startswith("function-"))
    words = first["msg"][:1].lower() + first["msg"][1:]
    return f"{what}{inside} is wrong ({words}); mend it."


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= 60 else f"{text[:60]}…"
