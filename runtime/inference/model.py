"""A model of the folder under its name: its versions, each on its way, in service or not to be opened."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from runtime.errors import NotFound, PluginError
from runtime.inference.folder import Found
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.inference.served import Served
    from runtime.ports import Context

State: TypeAlias = Literal["loading", "ready", "stale", "failed"]

OPENING = "it is being opened"


@dataclass(eq=False)
class Version:
    """One version.  With both it was put there again, and what was there before still serves."""

    found: Found
    served: Served | None = None
    reason: str = ""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it serves, or cannot."""

    @property
    def state(self) -> State:
        """How it is."""
        if self.served is None:
            return "failed" if self.reason else "loading"
        return "stale" if self.reason else "ready"

    def settle(self, served: Served | None, reason: str) -> None:
        """Take what became of its folder; what served before goes on when that cannot."""
        self.served, self.reason = served or self.served, reason
        self.settled.set()


class FolderModel:
    """What graphs call as `model.NAME`: the newest version that serves."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.versions: dict[int, Version] = {}

    @property
    def schema(self) -> JsonObject:
        """What its inputs are."""
        served = self._newest()
        if served is None:
            return {"type": "object"}
        inputs = served.opened.inputs
        properties = {each.name: {"type": "array", "description": each.shown} for each in inputs}
        return {"type": "object", "properties": properties, "required": list(properties)}

    async def predict(self, inputs: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        """Predict for one batch."""
        return await (await self.served()).predict(inputs, ctx)

    async def explain(self, inputs: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        """Say why it predicts that."""
        return await (await self.served()).explain(inputs, ctx)

    async def served(self, version: str = "") -> Served:
        """Return a version that answers, by default the newest; one that is being opened is waited for.

        NotFound for one that is not there, PluginError for one that cannot be opened.
        """
        if not version and (found := self._newest()):
            return found
        numbers = sorted(self.versions, reverse=True)
        tried = [self._named(version)] if version else [self.versions[number] for number in numbers]
        for each in tried:
            if each.served is None:
                await each.settled.wait()
            if each.served is not None:
                return each.served
        raise PluginError(f"The model {self.name} cannot be served: {tried[0].reason}.", plugin=self.name)

    def answers(self, version: str = "") -> bool:
        """Whether a version serves now; whether it is there is not said."""
        return self._newest() is not None if not version else self._named(version).served is not None

    def _named(self, version: str) -> Version:
        found = self.versions.get(int(version)) if version.isascii() and version.isdigit() else None
        if found is None:
            there = ", ".join(str(number) for number in sorted(self.versions))
            raise NotFound(
                f"The model {self.name} has no version {version[:20]} in service; take one of {there}."
            )
        return found

    def _newest(self) -> Served | None:
        serving = [number for number, version in self.versions.items() if version.served]
        return self.versions[max(serving)].served if serving else None

    @property
    def status(self) -> tuple[State, str, str]:
        """Its state, what is wrong with its newest version, and the version that answers."""
        newest = max(self.versions)
        version, serving = self.versions[newest], self._newest()
        if version.state == "ready":
            return "ready", "", str(newest)
        if version.state == "loading":
            return ("loading", OPENING, "") if serving is None else ("ready", "", serving.version)
        reason = f"version {newest}: {version.reason}"
        if serving is None:
            return "failed", reason, ""
        return "stale", f"{reason}; version {serving.version} serves", serving.version
