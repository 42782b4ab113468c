"""Adds the graphs written in Python to the library: those of plugins, then those of a `langgraph.json`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from runtime.errors import CannotStart, GraphError
from runtime.extensions.catalog import Catalog
from runtime.graphs.authored import AuthoredGraph
from runtime.graphs.library import GraphLibrary
from runtime.settings import Settings
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_SPARE_THREADS = 8


async def add_python_graphs(library: GraphLibrary, catalog: Catalog, settings: Settings) -> None:
    """Make and add every graph.

    A plugin's graph that cannot be made is one that the library lacks; of an application, which somebody
    asked for by name, it is CannotStart.
    """
    of_plugins = [found.value for found in catalog.registered if found.kind == "graph"]
    of_application = await _application(settings.graphs.langgraph)
    if not of_plugins and not of_application:
        return
    from runtime.graphs.threads import StepThreads

    loop = asyncio.get_running_loop()
    loop.set_default_executor(StepThreads(settings.runs.concurrency + _SPARE_THREADS))
    for graph in of_plugins:
        try:
            await _add(library, graph)
        except GraphError as error:
            library.lack(graph.name, graph.where, str(error))
            _log.warning("graph not made", graph=graph.name, reason=str(error))
    for graph in of_application:
        try:
            await _add(library, graph)
        except GraphError as error:
            raise CannotStart(str(error)) from error


async def _add(library: GraphLibrary, graph: AuthoredGraph) -> None:
    from runtime.graphs.python import version_of

    library.add(await version_of(graph))


async def _application(path: Path | None) -> list[AuthoredGraph]:
    if path is None:
        return []
    from runtime.graphs.application import import_graphs
    from runtime.graphs.langgraph_json import read_application

    application = await asyncio.to_thread(read_application, path)
    for sentence in application.odd:
        _log.warning("langgraph.json", reason=sentence)
    return await asyncio.to_thread(import_graphs, application)
