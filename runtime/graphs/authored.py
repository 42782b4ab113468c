"""Graphs written in Python, as their authors hand them over: named, checked for their shape, not yet made."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNNAMED: Final = "LangGraph"
"""The name LangGraph gives to graphs whose author gave them none."""

_REMEDY = 'give it one with .compile(name="…"), or return a mapping: {"NAME": graph}'


@dataclass(frozen=True, slots=True)
class AuthoredGraph:
    """A compiled or uncompiled LangGraph graph, or a function that makes one, with its name.

    `file` is the module it was found in; `where` is how people know that place.
    """

    name: str
    value: Any = field(repr=False)
    file: str = ""
    where: str = ""
    about: str = ""


def named_graphs(result: Any) -> list[AuthoredGraph] | str:
    """Return what a hook returned as graphs with names, or why it cannot be, in words."""
    if isinstance(result, Mapping):
        return [AuthoredGraph(str(name), value) for name, value in result.items()]
    if isinstance(result, str | bytes) or not isinstance(result, Iterable):
        return f"returns {type(result).__name__}; return a mapping of names to graphs, or a list of graphs"
    found = []
    for value in result:
        name = getattr(value, "name", None)
        if not isinstance(name, str) or name == UNNAMED:
            shown = getattr(value, "__name__", type(value).__name__)
            return f"returns the graph {shown}, which has no name of its own; {_REMEDY}"
        found.append(AuthoredGraph(name, value))
    return found


def graph_misfit(value: Any) -> str:
    """Return why this is no graph and makes none, "" when it may be one."""
    from langgraph.graph import StateGraph
    from langgraph.pregel import Pregel

    if isinstance(value, Pregel | StateGraph):
        return ""
    if inspect.iscoroutine(value):
        value.close()
        return "is a coroutine; give the function itself, without calling it"
    if isinstance(value, type) or not callable(value):
        shown = value.__name__ if isinstance(value, type) else type(value).__name__
        return f"is a {shown}; give a StateGraph, a compiled graph, or a function that returns one"
    if inspect.isasyncgenfunction(value) or inspect.isgeneratorfunction(value):
        return "is a function that yields; write @contextlib.asynccontextmanager above it"
    if not _takes_config_alone(value):
        return "is a function with other parameters than one for the config; give it none, or config"
    return ""


def _takes_config_alone(function: Any) -> bool:
    parameters = inspect.signature(function).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.kind not in _REST]
    positional = [each for each in needed if each.kind is not each.KEYWORD_ONLY]
    return len(positional) <= 1 and len(needed) == len(positional)


_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
