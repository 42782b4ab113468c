"""The hooks a plugin may implement.  Plain functions, called once per load; they return objects.

Every hook may take `settings`: an instance of the plugin's own `Settings` class, filled from
`[plugins.NAME]` in `config.toml`, or None when the plugin declares none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy

from runtime.ports import (
    Cache,
    Embedder,
    Guardrail,
    Model,
    Provider,
    Recommender,
    Retriever,
    Scorer,
    Step,
    Subscriber,
    Tool,
)

hookspec = pluggy.HookspecMarker("hubbub")
hookimpl = pluggy.HookimplMarker("hubbub")


@hookspec
def register_providers(settings: Any) -> Sequence[Provider]:  # type: ignore[empty-body]
    """Supply vendors of language models."""


@hookspec
def register_embedders(settings: Any) -> Sequence[Embedder]:  # type: ignore[empty-body]
    """Supply embedders; `[search] embedder` names the one in use."""


@hookspec
def register_retrievers(settings: Any) -> Sequence[Retriever]:  # type: ignore[empty-body]
    """Supply retrievers; graphs use them as `retriever.NAME`."""


@hookspec
def register_scorers(settings: Any) -> Sequence[Scorer]:  # type: ignore[empty-body]
    """Supply scorers; graphs use them as `scorer.NAME`."""


@hookspec
def register_recommenders(settings: Any) -> Sequence[Recommender]:  # type: ignore[empty-body]
    """Supply recommenders; graphs use them as `recommender.NAME`."""


@hookspec
def register_models(settings: Any) -> Sequence[Model]:  # type: ignore[empty-body]
    """Supply predictive models; graphs use them as `model.NAME`."""


@hookspec
def register_tools(settings: Any) -> Sequence[Tool]:  # type: ignore[empty-body]
    """Supply tools; graphs use them as `tool.NAME`."""


@hookspec
def register_steps(settings: Any) -> Sequence[Step]:  # type: ignore[empty-body]
    """Supply step kinds; graphs use them as `step.NAME`."""


@hookspec
def register_guardrails(settings: Any) -> Sequence[Guardrail]:  # type: ignore[empty-body]
    """Supply guardrails; `[guardrails]` and `guard = [...]` in a graph name them."""


@hookspec
def register_caches(settings: Any) -> Sequence[Cache]:  # type: ignore[empty-body]
    """Supply caches; `[cache] use` names the one in use."""


@hookspec
def register_subscribers(settings: Any) -> Sequence[Subscriber]:  # type: ignore[empty-body]
    """Supply subscribers, which see every durable event."""


@hookspec
def register_graphs(settings: Any) -> Sequence[Any]:  # type: ignore[empty-body]
    """Supply LangGraph graphs written in Python."""


@hookspec
def register_commands(settings: Any) -> Sequence[Any]:  # type: ignore[empty-body]
    """Supply further commands of `hubbub`, made with click; loaded only for words it does not know."""
