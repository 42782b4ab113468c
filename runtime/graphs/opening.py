"""Adds the graphs written in Python to the library: those of plugins, then those of a `langgraph.json`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from runtime.errors import CannotStart, GraphError
from runtime.extensions.catalog import Catalog
from runtime.graphs.authored import AuthoredGraph
from runtime.graphs.library import GraphLibrary
from runtime.graphs.version import Version
from runtime.settings import Settings
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_SPARE_THREADS = 8


async def add_python_graphs(library: GraphLibrary, catalog: Catalog, settings: Settings) -> PluginGraphs:
    """Make and add every graph; returns those of plugins, which may change.

    A plugin's graph that cannot be made is one that the library lacks; of an application, which somebody
    asked for by name, it is CannotStart.
    """
    graphs = PluginGraphs(library, settings)
    of_application = await _application(settings.graphs.langgraph)
    if of_application:
        graphs.make_room()
    await graphs.take(catalog)
    for graph in of_application:
        try:
            library.add(await _made(graph))
        except GraphError as error:
            raise CannotStart(str(error)) from error
    return graphs


class PluginGraphs:
    """The graphs that plugins supply: they come and go with their plugins."""

    def __init__(self, library: GraphLibrary, settings: Settings) -> None:
        self._library, self._settings = library, settings
        self._taken: dict[str, tuple[AuthoredGraph, Version | None]] = {}
        self._roomy = False

    def make_room(self) -> None:
        """Have threads enough for steps that are plain functions."""
        from runtime.graphs.threads import StepThreads

        if not self._roomy:
            self._roomy = True
            threads = StepThreads(self._settings.runs.concurrency + _SPARE_THREADS)
            asyncio.get_running_loop().set_default_executor(threads)

    async def take(self, catalog: Catalog) -> None:
        """Add what is new, and take out what is gone."""
        found = {each.name: each.value for each in catalog.registered if each.kind == "graph"}
        if found:
            self.make_room()
        for name, (graph, version) in list(self._taken.items()):
            if found.get(name) is not graph:
                del self._taken[name]
                self._library.remove(name, version)
        for name, graph in found.items():
            if name not in self._taken:
                self._taken[name] = graph, await self._add(graph)

    async def _add(self, graph: AuthoredGraph) -> Version | None:
        try:
            version = await _made(graph)
            self._library.add(version)
        except GraphError as error:
            self._library.lack(graph.name, graph.where, str(error))
            _log.warning("graph not made", graph=graph.name, reason=str(error))
            return None
        return version


async def _made(graph: AuthoredGraph) -> Version:
    from runtime.graphs.python import version_of

    return await version_of(graph)


async def _application(path: Path | None) -> list[AuthoredGraph]:
    if path is None:
        return []
    from runtime.graphs.application import import_graphs
    from runtime.graphs.langgraph_json import read_application

    application = await asyncio.to_thread(read_application, path)
    for sentence in application.odd:
        _log.warning("langgraph.json", reason=sentence)
    return await asyncio.to_thread(import_graphs, application)
