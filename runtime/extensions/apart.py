"""Loads a plugin into a process of its own: what is registered here stands for the objects there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from runtime.errors import MissingSecret, PluginError
from runtime.extensions import source
from runtime.extensions.catalog import PluginInfo, Registered
from runtime.extensions.child import Child
from runtime.extensions.crossing import Hello, error_of
from runtime.extensions.description import model_of
from runtime.extensions.finder import PluginFile
from runtime.extensions.host import Host
from runtime.settings import Settings


def load_apart(
    file: PluginFile, info: PluginInfo, settings: Settings, host: Host
) -> tuple[PluginInfo, tuple[Registered, ...], tuple[str, ...]]:
    """Return what the plugin is, what it supplies and what is odd; PluginError when it cannot be loaded.

    Its code runs in its process alone: nothing that it does can end this one.
    """
    child = Child(Hello(settings, file, source.digest(file.path), host.bounds.memory), host)
    found = child.describe()
    try:
        missing = error_of(found["missing"], file.name) if found["missing"] else None
        info = replace(
            info,
            state="ready",
            error=str(found["error"]),
            version=str(found["version"]),
            supplies=tuple(f"{each['kind']}.{each['name']}" for each in found["objects"]),
            missing_secret=missing if isinstance(missing, MissingSecret) else None,
            module=f"process of {file.path} {id(child)}",
        )
        registered = tuple(
            _registered(at, each, info, host, child) for at, each in enumerate(found["objects"])
        )
    except (KeyError, TypeError, ValueError) as error:
        child.discard()
        raise PluginError(
            f"{file.shown}: its process describes it in a way that nobody understands ({error})"
        ) from None
    # The process is the plugin's, not the object's: it is started and closed with the first one.
    first = registered[0].value
    first.start, first.aclose, first.discard = child.start, child.aclose, child.discard
    return info, registered, tuple(str(each) for each in found["warnings"])


def _registered(at: int, found: dict[str, Any], info: PluginInfo, host: Host, child: Child) -> Registered:
    value = SimpleNamespace(name=found["name"], **found["attributes"])
    for method, streams in found["methods"].items():
        setattr(value, method, (_streamed if streams else _called)(child, at, method))
    params = model_of(found["Params"]) if found["Params"] else None
    if params is not None:
        value.Params = params
    if found["Args"]:
        value.Args = model_of(found["Args"])
    return Registered(found["kind"], found["name"], value, info, params, host)


def _called(child: Child, at: int, method: str) -> Any:
    async def call(*args: Any) -> Any:
        return await child.call(at, method, args)

    return call


def _streamed(child: Child, at: int, method: str) -> Any:
    async def stream(*args: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(child.stream(at, method, args)) as pieces:
            async for piece in pieces:
                yield piece

    return stream
