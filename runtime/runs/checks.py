"""What may be asked of a run of a graph beside its input: steps that exist, fields that exist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from runtime.errors import InvalidInput
from runtime.graphs.findings import near
from runtime.graphs.version import Version
from runtime.records import RunOptions
from runtime.types import JsonObject

_COMMAND = ("resume", "update", "goto")


def checked_options(options: RunOptions, version: Version) -> RunOptions:
    """Return the options of a run; InvalidInput names the first step or field that the graph has not.

    LangGraph itself drops what it does not know, silently.
    """
    for name in (*options.interrupt_before, *options.interrupt_after):
        if name != "*":
            _check_step(name, version)
    return replace(options, command=options.command and checked_command(options.command, version))


def checked_command(command: JsonObject, version: Version) -> JsonObject:
    """Return a command, its update as the state holds it."""
    for name in command:
        if name not in _COMMAND:
            raise InvalidInput(f"A command has no {name[:40]}; there is {', '.join(_COMMAND)}.")
    for way in _ways(command.get("goto")):
        _check_step(way, version)
    if command.get("update") is None:
        return command
    return {**command, "update": version.validate_change(_update(command["update"]))}


def _ways(goto: Any) -> Iterable[str]:
    for way in goto if isinstance(goto, list) else [goto] if goto is not None else ():
        name = way.get("node") if isinstance(way, dict) else way
        if not isinstance(name, str):
            raise InvalidInput("`goto` is a step, {node, input}, or a list of these; mend it.")
        yield name


def _update(update: Any) -> JsonObject:
    """Return an update that is an object, or pairs of names and values."""
    if isinstance(update, dict):
        return update
    if isinstance(update, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in update):
        names = [name for name, _ in update]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return {name: value for name, value in update}  # noqa: C416 - pairs are lists, not tuples
    raise InvalidInput("`update` is an object of fields, or a list of pairs with each field once; mend it.")


def _check_step(name: str, version: Version) -> None:
    if name not in version.steps:
        raise InvalidInput(f"The graph {version.name} has no step {name[:100]}; {near(name, version.steps)}")
