"""LangGraph's command, from the JSON in which clients send it."""

from __future__ import annotations

from typing import Any

from langgraph.types import Command, Send

from runtime.types import JsonObject


def command_of(command: JsonObject) -> Command[Any]:
    """Return `resume`, `update` and `goto` as LangGraph takes them; a step to go to may be given an input."""
    goto = command.get("goto", ())
    ways = goto if isinstance(goto, list) else [goto]
    steps = [Send(way["node"], way.get("input")) if isinstance(way, dict) else way for way in ways if way]
    return Command(resume=command.get("resume"), update=command.get("update"), goto=steps)
