"""JSON Schema of graph files for editors, made from the plugins that are loaded: names, types, defaults."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from runtime.graphs.agent import AgentParams
from runtime.graphs.fields import MERGES, TYPES
from runtime.graphs.kinds import KINDS, description_of
from runtime.graphs.llm import LlmParams
from runtime.graphs.parameters import is_state_path
from runtime.types import JsonObject

if TYPE_CHECKING:
    from pydantic import BaseModel

    from runtime.extensions.catalog import Catalog, Registered

_TEXT: Final[JsonObject] = {"type": "string"}
_NUMBER: Final[JsonObject] = {"type": "number"}
_TEXTS: Final[JsonObject] = {"type": "array", "items": _TEXT}
_OPEN: Final[JsonObject] = {"type": "object", "additionalProperties": True}
_FILLED: Final[JsonObject] = {"type": "string", "pattern": r"\{\{|\{%|^secret:"}
"""A text that is filled in when the step runs: it may become anything."""

_DURATION = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$"}
_COMMON: Final[Mapping[str, JsonObject]] = {
    "save": {
        "description": "Where the result goes: a field, a list of its members, or a table of texts.",
        "anyOf": [_TEXT, _TEXTS, _OPEN],
    },
    "next": {**_TEXT, "description": 'The step that follows; "end" ends the run.'},
    "timeout": {**_DURATION, "description": 'How long one try may take, for example "20s".'},
    "retry": {
        "type": "integer",
        "minimum": 0,
        "maximum": 20,
        "default": 0,
        "description": "How often a step that failed is tried again.",
    },
    "on_error": {**_TEXT, "description": "The step that follows when this one fails for good."},
    "undo": {**_TEXT, "description": "The step that reverses this one when the run fails later."},
    "cache": {**_DURATION, "description": "How long a result is used again for the same parameters."},
    "guard": {**_TEXTS, "description": "Guardrails that look at what goes in and comes out."},
}


def editor_schema(catalog: Catalog, aliases: Collection[str], graphs: Collection[str]) -> JsonObject:
    """Return the schema (draft 7) of the graph files of a workspace."""
    definitions: JsonObject = {"field": _field("default"), "setting": _field("value"), "duration": _DURATION}
    steps = [*_built_in(aliases, graphs, definitions), *_of_plugins(catalog, definitions)]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A graph of Hubbub",
        "type": "object",
        "additionalProperties": False,
        "required": ["graph", "start", "output", "node"],
        "properties": {
            "graph": {**_TEXT, "description": "The name of the graph, which is that of its file."},
            "about": {**_TEXT, "description": "One sentence on what it does."},
            "start": {**_TEXT, "description": "The first step."},
            "output": {**_TEXTS, "minItems": 1, "description": "The fields that the caller gets."},
            "limits": _limits(),
            "input": _table("What the caller gives.", {"$ref": "#/definitions/field"}),
            "state": _table("What the steps share with each other.", {"$ref": "#/definitions/field"}),
            "settings": _table(
                "Numbers and texts to tune.",
                {
                    "anyOf": [
                        {"$ref": "#/definitions/setting"},
                        {"type": ["string", "number", "boolean", "array"]},
                    ]
                },
            ),
            "node": _table("The steps.", {"oneOf": steps}),
            "test": {"type": "array", "items": _test(), "description": "Runs with mocks, offline."},
        },
        "definitions": definitions,
    }


def _table(description: str, each: JsonObject) -> JsonObject:
    return {"type": "object", "description": description, "additionalProperties": each}


def _closed(description: str, properties: Mapping[str, Any], *required: str) -> JsonObject:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "required": list(required),
        "properties": dict(properties),
    }


def _limits() -> JsonObject:
    return _closed(
        "Bounds of one run; a run over one of them ends with an error that names it.",
        {
            "max_steps": {"type": "integer", "minimum": 1, "default": 100},
            "max_cost_usd": {**_NUMBER, "minimum": 0},
            "timeout": _DURATION,
        },
    )


def _field(given: str) -> JsonObject:
    """Return what a declaration may be; `given` is the key of its first value."""
    types = [*TYPES, *(f"{name}?" for name in TYPES)]
    table = _closed(
        'A type with its bounds; "?" makes it optional.',
        {
            "type": {"enum": types},
            "fields": {"type": "object", "additionalProperties": {"$ref": "#/definitions/field"}},
            "one_of": {"type": "array"},
            "min": _NUMBER,
            "max": _NUMBER,
            "match": {**_TEXT, "description": "A pattern for the whole text."},
            given: {},
            "merge": {"enum": list(MERGES), "description": "What becomes of values written at once."},
        },
        "type",
    )
    return {"anyOf": [{"enum": types}, table]} if given == "default" else table


def _test() -> JsonObject:
    return _closed(
        "One run with mocks in the place of what its steps would call.",
        {
            "name": _TEXT,
            "input": _OPEN,
            "settings": _OPEN,
            "mock": {**_OPEN, "description": 'What each step would give, or "error".'},
            "expect": {**_TEXTS, "minItems": 1, "description": "Conditions that hold at the end."},
        },
        *("name", "expect"),
    )


# --------------------------------------------------------------------------- steps


def _step(
    use: str, about: str, own: Mapping[str, Any], required: Collection[str], *common: str
) -> JsonObject:
    properties = {
        "use": {"const": use, "description": about},
        **{name: _COMMON[name] for name in common},
        **own,
    }
    return _closed(about, properties, "use", *required)


def _built_in(
    aliases: Collection[str], graphs: Collection[str], definitions: JsonObject
) -> Iterator[JsonObject]:
    for use, model, about in (("llm", LlmParams, "Asks a model."), ("agent", AgentParams, "Uses tools.")):
        own = _parameters(model, use, definitions)
        own["model"] = {"enum": sorted(aliases), "description": "An alias of config.toml."}
        yield _step(use, about, own, _required(model), *_COMMON)
    way = {
        "oneOf": [
            _closed("A way that is taken when its condition holds.", {"if": _TEXT, "go": _TEXT}, "if", "go"),
            _closed("The way that is taken when no condition holds.", {"else": _TEXT}, "else"),
        ]
    }
    loops = {"type": "integer", "minimum": 1, "description": 'Rounds after which "else" is taken.'}
    when = {"type": "array", "items": way, "minItems": 2}
    yield _step("branch", "Goes one way or another.", {"when": when, "max_loops": loops}, ["when"])
    patience = _closed("Which choice is made when nobody answers.", {"at_most": _DURATION, "then": _TEXT})
    approve = {"show": _TEXTS, "choices": _table("Each choice and its step.", _TEXT), "wait": patience}
    yield _step("approve", "Waits until a person has chosen.", approve, ["choices"], "save")
    yield _step("set", "Writes values.", {"set": _OPEN}, ["set"], "next")
    parallel = {"type": "integer", "minimum": 1, "maximum": 256, "default": 8}
    each = {"over": _TEXT, "as": {**_TEXT, "default": "item"}, "do": _TEXT, "max_parallel": parallel}
    yield _step("map", "Does a step for each item of a list.", each, ["over", "do"], "next", "on_error")
    inner = {"graph": {"enum": sorted(graphs)}, "input": _OPEN}
    common = ("save", "next", "timeout", "on_error")
    yield _step("graph", "Runs another graph as one step.", inner, ["graph"], *common)
    yield _step("wait", "Waits for a time, or until one.", {"for": _TEXT, "until": _TEXT}, [], "next")
    yield _step("fail", "Ends the run with an error.", {"message": _TEXT}, ["message"])


def _required(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _of_plugins(catalog: Catalog, definitions: JsonObject) -> Iterator[JsonObject]:
    for found in catalog.registered:
        if (kind := KINDS.get(found.kind)) is None:
            continue
        use = f"{found.kind}.{found.name}"
        own = _parameters(kind.standard, use, definitions) | _parameters(kind.own(found), use, definitions)
        step = _step(use, _about(found), own, [], *_COMMON)
        # Beside its own parameters a scorer takes the fields of what it scores.
        yield {**step, "additionalProperties": True} if kind.free else step


def _about(found: Registered) -> str:
    return description_of(found.value) or f"{found.kind}.{found.name}"


def _parameters(model: type[BaseModel] | None, use: str, definitions: JsonObject) -> JsonObject:
    """Return the parameters of a model; what they refer to goes to `definitions`."""
    if model is None:
        return {}
    template = f"#/definitions/{use}.{{model}}"
    schema = model.model_json_schema(ref_template=template)
    definitions |= {f"{use}.{name}": each for name, each in schema.pop("$defs", {}).items()}
    bare = {field.alias or name for name, field in model.model_fields.items() if is_state_path(field)}
    return {
        name: {**_TEXT, "description": "The name of a state field."} if name in bare else _filled(each)
        for name, each in schema.get("properties", {}).items()
    }


def _filled(schema: JsonObject) -> JsonObject:
    """Return what a parameter may be in a file: a value, or a text that is filled in when the step runs."""
    if schema.get("type") == "string" and "enum" not in schema and "pattern" not in schema:
        return schema
    about: JsonObject = {key: schema[key] for key in ("description", "default", "title") if key in schema}
    return {**about, "anyOf": [schema, _FILLED]}
