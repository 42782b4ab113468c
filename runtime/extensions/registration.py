"""Asks a loaded module, through pluggy, for the objects it supplies."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pluggy

from runtime import hookspecs
from runtime.errors import PluginError
from runtime.extensions.failures import place
from runtime.extensions.shapes import KINDS, Kind, find_misfit
from runtime.graphs.authored import named_graphs

PROJECT = "hubbub"
HOOKS = tuple(KINDS)


def register(module: types.ModuleType, shown: str) -> pluggy.PluginManager:
    """Return a plugin manager of this module's own, in which every hook is one we know.

    PluginError for a misspelt hook, an argument that hooks do not have, and for no hook at all.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, module.__name__)
    except pluggy.PluginValidationError as error:
        words = " ".join(str(error).split()).rpartition(" Argument")
        reason = f"Argument{words[2]}" if words[1] else words[2]
        raise PluginError(f"{shown}: {reason}; a hook takes settings, or nothing") from None
    try:
        manager.check_pending()
    except pluggy.PluginValidationError:
        raise PluginError(_misspelt(manager, shown)) from None
    if not manager.get_hookcallers(module):
        raise PluginError(_nothing(module, shown))
    return manager


def supplied(
    manager: pluggy.PluginManager, module: types.ModuleType, settings: Any, shown: str
) -> list[tuple[Kind, Any]]:
    """Call each hook once and return the objects with their kinds, in the order of the hooks.

    PluginError for an object that does not fit; what the hooks themselves raise goes through.
    """
    found: list[tuple[Kind, Any]] = []
    for hook in HOOKS:
        caller = getattr(manager.hook, hook)
        for implementation in caller.get_hookimpls():
            line = _line(implementation.function)
            # Standard output may be a pipe with a protocol on it, or JSON that someone parses.
            with contextlib.redirect_stdout(sys.stderr):
                results = caller(settings=settings)
            where = place(shown, line)
            for value in _objects(hook, implementation.function, results, where, module.__file__ or shown):
                if misfit := find_misfit(KINDS[hook], value):
                    raise PluginError(f"{place(shown, misfit.line or line)}: {misfit.words}")
                found.append((KINDS[hook], value))
    if not found:
        raise PluginError(f"{shown}: its hooks return nothing; return a list of objects")
    _refuse_twins(found, shown)
    return found


def _objects(hook: str, function: Any, results: Any, where: str, file: str) -> list[Any]:
    """Unpack what one hook returned; nothing at all is an empty list."""
    if inspect.iscoroutinefunction(function):
        for result in results:
            result.close()
        raise PluginError(f"{where}: {hook} is async; hooks are plain functions, write def {hook}")
    objects: list[Any] = []
    for result in results:
        if hook == "register_graphs":
            graphs = named_graphs(result)
            if isinstance(graphs, str):
                raise PluginError(f"{where}: {hook} {graphs}")
            objects += [replace(graph, file=file, where=where) for graph in graphs]
            continue
        if isinstance(result, str | bytes | Mapping) or not isinstance(result, Iterable):
            raise PluginError(f"{where}: {hook} returns {type(result).__name__}; return a list of objects")
        objects += result
    return objects


def _refuse_twins(found: list[tuple[Kind, Any]], shown: str) -> None:
    seen = set()
    for kind, value in found:
        if (kind.name, value.name) in seen:
            raise PluginError(f"{shown}: it supplies two {kind.name}s named {value.name}; rename one of them")
        seen.add((kind.name, value.name))


def _misspelt(manager: pluggy.PluginManager, shown: str) -> str:
    """Name the first hook that is none of ours, with its line and the nearest one."""
    unknown = {
        name: caller.get_hookimpls()[0].function
        for name, caller in vars(manager.hook).items()
        if not name.startswith("_") and not caller.has_spec()
    }
    name, function = min(unknown.items(), key=lambda item: _line(item[1]))
    near = difflib.get_close_matches(name, HOOKS, 1)
    advice = f"did you mean {near[0]}?" if near else f"the hooks are {', '.join(HOOKS)}"
    return f"{place(shown, _line(function))}: there is no hook {name}; {advice}"


def _nothing(module: types.ModuleType, shown: str) -> str:
    """Say that it registers nothing, and where the marker was forgotten."""
    for name, value in vars(module).items():
        near = difflib.get_close_matches(name, HOOKS, 1, 0.8)
        if near and inspect.isfunction(value):
            where = place(shown, _line(value))
            return f"{where}: {name} is no hook without @hookimpl; write it above the function"
    return f"{shown}: it registers nothing; add a hook marked @hookimpl, or begin the file's name with _"


def _line(function: Any) -> int:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_firstlineno if code else 0
