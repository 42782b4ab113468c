"""The shape of a compiled graph, on which a waiting run depends: steps, edges, channels, subgraphs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, get_args, get_origin

import orjson

from runtime.types import JsonObject

if TYPE_CHECKING:
    from langgraph.pregel import Pregel

_DEEPEST = 4
"""How far the arguments of a type are told apart."""


def fingerprint(graph: Pregel[Any, Any, Any, Any]) -> str:
    """Return a hash that changes with the shape, and with nothing else."""
    text = orjson.dumps(topology(graph), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def topology(graph: Any, above: tuple[int, ...] = ()) -> JsonObject:
    """Return the shape of a compiled graph as JSON; `above` are those it is part of and may call again."""
    if id(graph) in above:
        return {"again": above.index(id(graph))}
    above = (*above, id(graph))
    drawn = graph.get_graph()
    return {
        "steps": sorted(graph.nodes),
        "edges": sorted([edge.source, edge.target, edge.conditional] for edge in drawn.edges),
        "channels": {name: _channel(channel) for name, channel in graph.channels.items()},
        "output": graph.output_channels,
        "subgraphs": {name: topology(inner, above) for name, inner in graph.get_subgraphs()},
    }


def _channel(channel: Any) -> list[str]:
    if isinstance(channel, type):  # a managed value, which is computed and not stored
        return [channel.__name__]
    reducer = getattr(channel, "operator", None)
    return [
        type(channel).__name__,
        _type_name(getattr(channel, "ValueType", None)),
        getattr(reducer, "__qualname__", type(reducer).__name__) if reducer else "",
    ]


def _type_name(kind: Any, depth: int = 0) -> str:
    """Return a type's name without addresses in memory, which are others in every process."""
    if depth == _DEEPEST:
        return "…"
    if arguments := get_args(kind):
        inner = ", ".join(_type_name(each, depth + 1) for each in arguments)
        return f"{_plain_name(get_origin(kind))}[{inner}]"
    return _plain_name(kind)


def _plain_name(kind: Any) -> str:
    if isinstance(kind, str | int | bool | None):
        return repr(kind)
    # What is no class, such as Union, has its name here; an object beside a type only that of its class.
    name = getattr(kind, "__qualname__", None) or getattr(kind, "_name", None)
    return name if isinstance(name, str) else type(kind).__name__
