"""What a hook may return: every object is held against the Protocol of its kind before anyone calls it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from runtime import ports
from runtime.graphs.authored import AuthoredGraph, graph_misfit

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
OPTIONAL = ("start", "aclose", "check", "models", "score_many", "explain")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a hook supplies; of a kind without a Protocol only the name is checked."""

    name: str
    protocol: type | None = None


KINDS = {
    "register_providers": Kind("provider", ports.Provider),
    "register_embedders": Kind("embedder", ports.Embedder),
    "register_retrievers": Kind("retriever", ports.Retriever),
    "register_scorers": Kind("scorer", ports.Scorer),
    "register_recommenders": Kind("recommender", ports.Recommender),
    "register_models": Kind("model", ports.Model),
    "register_tools": Kind("tool", ports.Tool),
    "register_steps": Kind("step", ports.Step),
    "register_guardrails": Kind("guardrail", ports.Guardrail),
    "register_caches": Kind("cache", ports.Cache),
    "register_subscribers": Kind("subscriber", ports.Subscriber),
    "register_graphs": Kind("graph"),
    "register_commands": Kind("command"),
}


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why an object cannot be used, in words without a full stop; `line` is 0 where none is known."""

    words: str
    line: int = 0


def find_misfit(kind: Kind, value: Any) -> Misfit | None:
    """Return the first thing that is wrong with an object, None when all is well."""
    if isinstance(value, type):
        return Misfit(f"{value.__name__} is a class; return an object of it: {value.__name__}(…)")
    about = f"the {kind.name} {type(value).__name__}"
    if isinstance(value, AuthoredGraph):
        about = f"the graph {value.name}"
        if words := graph_misfit(value.value):
            return Misfit(f"{about} {words}")
    name = getattr(value, "name", None)
    if not isinstance(name, str):
        return Misfit(f'{about} has no name; give it one: name = "…"')
    if not NAME.fullmatch(name):
        return Misfit(
            f"{about} has the name {name!r:.80}; use at most 64 letters, digits, _ and -, a letter first"
        )
    if kind.name == "command" and not callable(getattr(value, "make_context", None)):
        return Misfit(f"{about} is no command of click; write @click.command() above a function")
    if not kind.protocol:
        return None
    for attribute, member in vars(kind.protocol).items():
        if not isinstance(member, property):
            continue
        if words := _wrong_attribute(attribute, getattr(value, attribute, None)):
            return Misfit(f"{about} {words}")
    if words := _wrong_attribute("Params", getattr(value, "Params", BaseModel)):
        return Misfit(f"{about} {words}")
    for method, wanted in vars(kind.protocol).items():
        if not method.startswith("_") and inspect.isfunction(wanted):
            found = getattr(value, method, None)
            if words := _wrong_method(method, wanted, found):
                code = getattr(found, "__code__", None)
                return Misfit(f"{about} {words}", code.co_firstlineno if code else 0)
    for method in OPTIONAL:
        if not callable(getattr(value, method, len)):
            return Misfit(f"{about} has {method}, which is no method; rename it")
    return None


def _wrong_attribute(name: str, value: object) -> str:
    """Return what is wrong with one of the attributes that Protocols declare, "" for nothing."""
    match name:
        case "size" if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            return "has no size; say how many numbers a vector has: size = 384"
        case "Args" | "Params" if not (isinstance(value, type) and issubclass(value, BaseModel)):
            return f"has no {name} that is a pydantic model; write class {name}(BaseModel)"
        case "stage" if value not in ("input", "output", "tool"):
            return 'has no stage; set it to "input", "output" or "tool"'
        case "description" if not isinstance(value, str) or not value.strip():
            return "has no description; a model needs one to know when to use it"
        case "schema" if not isinstance(value, Mapping):
            return "has no schema; describe its inputs in a mapping"
    return ""


def _wrong_method(name: str, wanted: Any, found: Any) -> str:
    """Return why `found` cannot be called like the Protocol's method, "" when it can."""
    parameters = list(inspect.signature(wanted).parameters)[1:]
    call = f"{name}({', '.join(parameters)})"
    if not callable(found):
        return f"has no method {call}; add it"
    try:
        inspect.signature(found).bind(*parameters)
    except TypeError:
        return f"has a {name} that does not take ({', '.join(parameters)}); write {call}"
    except ValueError:  # a function in C that does not tell
        return ""
    if str(wanted.__annotations__.get("return", "")).startswith("AsyncIterator"):
        if inspect.iscoroutinefunction(found):
            return f"has a {name} that returns and never yields; yield the pieces as they come"
    elif inspect.isasyncgenfunction(found) or inspect.isgeneratorfunction(found):
        return f"has a {name} that yields; return the result instead"
    return ""
