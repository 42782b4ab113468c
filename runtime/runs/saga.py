"""Undoes what a failed run has done: in reverse, each once, whatever interrupts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from runtime.extensions.failures import in_words
from runtime.graphs.scope import RunScope
from runtime.records import Effect
from runtime.storage import Ledger
from runtime.telemetry import get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)

_TRIES: Final = 3
"""Processes that may end while they undo one step."""


class Reverses(Protocol):
    """A graph version that knows how its steps are undone."""

    async def undo(self, effect: Effect, scope: RunScope) -> JsonObject:
        """Undo one step; returns `{by, result}`: which step did it, and what that gave."""


@dataclass(frozen=True, slots=True)
class Saga:
    """What one run has done outside.  `tell` writes an event of a namespace."""

    ledger: Ledger
    version: Reverses
    scope: RunScope
    tell: Callable[[JsonObject, tuple[str, ...]], None]

    async def undo(self) -> list[str]:
        """Undo what was done or may have been; returns a sentence for each step that could not be undone."""
        failures = [await self._undo(effect) for effect in await self.ledger.effects(self.scope.run.id)]
        return [failure for failure in failures if failure]

    async def _undo(self, effect: Effect) -> str:
        effect = replace(effect, tries=effect.tries + 1)
        if effect.tries > _TRIES:
            return await self._give_up(effect, f"the process ended {_TRIES} times while it was undone")
        await self.ledger.settle(effect)
        self._tell(effect, event="started")
        try:
            done = await self.version.undo(effect, self.scope)
        except Exception as error:
            return await self._give_up(effect, in_words(error))
        await self.ledger.settle(replace(effect, state="undone"))
        self._tell(effect, event="completed", **done)
        return ""

    async def _give_up(self, effect: Effect, reason: str) -> str:
        _log.error("step could not be undone", step=effect.step, run=effect.run, reason=reason)
        await self.ledger.settle(replace(effect, state="stuck"))
        self._tell(effect, event="failed", error=reason)
        return f"The step {effect.step} could not be undone ({reason}); undo it by hand."

    def _tell(self, effect: Effect, **about: object) -> None:
        self.tell({"step": effect.step, "key": effect.key, **about}, effect.namespace)
