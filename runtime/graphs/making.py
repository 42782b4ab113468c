"""From what an author handed over to a compiled LangGraph graph: compile, call, await, enter."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from runtime.errors import GraphError
from runtime.extensions.failures import in_words, line_in, place
from runtime.graphs.authored import AuthoredGraph
from runtime.types import JsonObject


def is_factory(authored: AuthoredGraph) -> bool:
    """Whether the graph is made by a function."""
    return not isinstance(authored.value, Pregel | StateGraph)


@asynccontextmanager
async def made(authored: AuthoredGraph, config: JsonObject) -> AsyncGenerator[Pregel[Any, Any, Any, Any]]:
    """Give the compiled graph, made for this config if a function makes it; GraphError when that fails.

    What a function yields, as a context manager, is left when the block ends.
    """
    made = _called(authored, config)
    try:
        found = await made if inspect.isawaitable(made) else made
        entered = await _entered(found)
    except Exception as error:
        raise _failed(authored, error) from error
    failed: BaseException | None = None
    try:
        yield _compiled(authored, entered)
    except BaseException as error:
        failed = error
        raise
    finally:
        await _left(found, failed)


def _called(authored: AuthoredGraph, config: JsonObject) -> Any:
    if not is_factory(authored):
        return authored.value
    try:
        return authored.value(config) if inspect.signature(authored.value).parameters else authored.value()
    except Exception as error:
        raise _failed(authored, error) from error


async def _entered(found: Any) -> Any:
    if hasattr(found, "__aenter__"):
        return await found.__aenter__()
    return found.__enter__() if hasattr(found, "__enter__") else found


async def _left(found: Any, failed: BaseException | None) -> None:
    about = (type(failed), failed, failed.__traceback__) if failed else (None, None, None)
    if hasattr(found, "__aexit__"):
        await found.__aexit__(*about)
    elif hasattr(found, "__exit__"):
        found.__exit__(*about)


def _compiled(authored: AuthoredGraph, found: Any) -> Pregel[Any, Any, Any, Any]:
    if isinstance(found, StateGraph):
        try:
            return found.compile()
        except Exception as error:
            raise _failed(authored, error) from error
    if not isinstance(found, Pregel):
        raise GraphError(
            f"{authored.where}: the graph {authored.name} is made by a function that gives a "
            f"{type(found).__name__}; return a StateGraph or a compiled graph."
        )
    return found


def _failed(authored: AuthoredGraph, error: Exception) -> GraphError:
    line = line_in(error, authored.file)
    where = place(authored.file, line) if line else authored.where
    return GraphError(f"{where}: the graph {authored.name} cannot be made: {in_words(error)}; mend that.")
