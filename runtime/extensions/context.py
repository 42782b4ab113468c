"""What one call of a plugin is given: whose it is, how long it may take, and what the engine lends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from runtime.ports import Collection, Context, Interactions, Log, Measures, ModelHandle
from runtime.types import Delta

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from runtime.ports import Vectors


class Services(Protocol):
    """What the engine lends to plugins, and nothing more of itself."""

    def model(self, alias: str, ctx: Context) -> ModelHandle:
        """Return the model behind an alias; NotFound when there is none."""

    def collection(self, tenant: str, name: str) -> Collection:
        """Return a tenant's collection (an unknown one is empty)."""

    def interactions(self, tenant: str) -> Interactions:
        """Return what a tenant's users did with its items."""

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Embed with the configured embedder, shape (len(texts), size); None without a model."""

    def measures(self, tenant: str) -> Measures:
        """Return a tenant's figures."""

    def artifact(self, name: str, version: str = "") -> Path:
        """Return the folder of a trained model's version; NotFound when there is none."""

    async def predict(
        self, model: str, inputs: Mapping[str, Any], version: str, ctx: Context
    ) -> Mapping[str, Any]:
        """Ask a predictive model on behalf of a call."""

    def http(self) -> aiohttp.ClientSession:
        """Return the client that reaches only what `[egress]` permits."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """The `Context` of ports.py for one call.  `emitter` takes what `emit` is given; neither blocks."""

    tenant: str
    run: str
    thread: str
    idempotency_key: str
    deadline: float
    """When the call is given up, on the clock of `time.monotonic()`."""
    params: Any
    log: Log
    services: Services
    emitter: Callable[[Delta], None]
    key: str = ""
    """The id of the API key on whose behalf it is made."""

    def emit(self, delta: Delta) -> None:
        """Send a piece of text to whoever watches the run."""
        self.emitter(delta)

    def model(self, alias: str) -> ModelHandle:
        """Return the model behind an alias, asked on behalf of this call."""
        # A Protocol's attributes count as settable, those of a frozen dataclass are not.
        return self.services.model(alias, cast(Context, self))

    def collection(self, name: str) -> Collection:
        """Return the collection of that name of this call's tenant, never of another."""
        return self.services.collection(self.tenant, name)

    def interactions(self) -> Interactions:
        """Return what the users of this call's tenant did, never those of another."""
        return self.services.interactions(self.tenant)

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Embed with the configured embedder; None without a model."""
        return await self.services.embed(texts)

    def measures(self) -> Measures:
        """Return the figures of this call's tenant, never of another."""
        return self.services.measures(self.tenant)

    def artifact(self, name: str, version: str = "") -> Path:
        """Return the folder of a trained model's version, by default of the newest."""
        return self.services.artifact(name, version)

    async def predict(self, model: str, inputs: Mapping[str, Any], version: str = "") -> Mapping[str, Any]:
        """Ask a predictive model, by default its newest version."""
        return await self.services.predict(model, inputs, version, cast(Context, self))

    def http(self) -> aiohttp.ClientSession:
        """Return the hub's HTTP client, which reaches only what `[egress]` permits."""
        return self.services.http()
