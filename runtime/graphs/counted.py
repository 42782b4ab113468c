"""Counts what the models cost that a step asks, whoever asks them: the step itself, or a plugin."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from runtime.extensions.context import Services
from runtime.ports import Collection, Context, Interactions, Measures, ModelHandle
from runtime.types import ChatRequest, Delta, Reply, Usage

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from runtime.ports import Vectors

Count = Callable[[Usage, str], None]
"""Is told what a call used, and of which alias; LimitExceeded when that was too much."""


@dataclass(frozen=True, slots=True)
class CountedServices:
    """What the engine lends, with models that are counted."""

    services: Services
    count: Count

    def model(self, alias: str, ctx: Context) -> ModelHandle:
        """Return the model behind an alias."""
        return _CountedModel(alias, self.services.model(alias, ctx), self.count)

    def collection(self, tenant: str, name: str) -> Collection:
        """Return a tenant's collection."""
        return self.services.collection(tenant, name)

    def interactions(self, tenant: str) -> Interactions:
        """Return what a tenant's users did with its items."""
        return self.services.interactions(tenant)

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Embed with the configured embedder."""
        return await self.services.embed(texts)

    def measures(self, tenant: str) -> Measures:
        """Return a tenant's figures."""
        return self.services.measures(tenant)

    def artifact(self, name: str, version: str = "") -> Path:
        """Return the folder of a trained model's version."""
        return self.services.artifact(name, version)

    async def predict(
        self, model: str, inputs: Mapping[str, Any], version: str, ctx: Context
    ) -> Mapping[str, Any]:
        """Ask a predictive model."""
        return await self.services.predict(model, inputs, version, ctx)

    def http(self) -> aiohttp.ClientSession:
        """Return the client that reaches only what `[egress]` permits."""
        return self.services.http()


@dataclass(frozen=True, slots=True)
class _CountedModel:
    alias: str
    handle: ModelHandle
    count: Count

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        reply = await self.handle.complete(request, on_delta)
        self.count(reply.usage, self.alias)
        return reply

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        used = Usage()
        # Every stream of the gateway is a generator, and has to be closed when its reader leaves.
        async with aclosing(cast(AsyncGenerator[Delta], self.handle.stream(request))) as pieces:
            async for delta in pieces:
                used = delta.usage or used
                yield delta
        self.count(used, self.alias)
