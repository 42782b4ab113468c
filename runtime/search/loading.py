"""An object of a plugin that search uses: whether it can, and its model, which the host finds and loads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from runtime.extensions.catalog import Catalog, Registered
from runtime.search.models import find_model, how_to_get
from runtime.settings import Settings
from runtime.telemetry import get_logger

log = get_logger("hubbub.search")


@runtime_checkable
class LocalModel(Protocol):
    """What an object has that needs the files of a model: the host finds them and calls `load`."""

    model: str

    def load(self, folder: Path) -> None:
        """Read the model from its folder; called again, do nothing."""


class Loading:
    """The object of one kind and name, once its model is loaded; the newest after its file was edited."""

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog], kind: str, name: str) -> None:
        self._settings, self._catalog = settings, catalog
        self._kind, self.name = kind, name
        self._one_at_a_time = asyncio.Lock()
        self._loaded: Any = None
        self._broken: tuple[Any, str] | None = None

    @property
    def registered(self) -> Registered | None:
        """The object as it is now; None while no plugin supplies it."""
        return self._catalog().get(self._kind, self.name)

    @property
    def folder(self) -> Path | None:
        """Where the files of its model are; None when it needs none, or they are not there."""
        found = self.registered
        if found is None or not isinstance(found.value, LocalModel):
            return None
        return find_model(found.value.model, self._settings.search.models, self._settings.var / "models")

    def missing(self) -> str:
        """Return why it cannot be used, as the end of a sentence; "" when it can."""
        found = self.registered
        if found is None:
            return f"the {self._kind} {self.name} is not loaded; see `hubbub plugin list`"
        if found.plugin.missing_secret is not None:
            return str(found.plugin.missing_secret)
        if self._loaded is found.value:
            return ""
        if isinstance(found.value, LocalModel) and self.folder is None:
            return f"the model {found.value.model} is not here; {self._advice(found.value.model)}"
        if self._broken is not None and self._broken[0] is found.value:
            return self._broken[1]
        return ""

    async def load(self) -> Registered | None:
        """Load the model if that has not been done; None when the object cannot be used."""
        found = self.registered
        if found is None or self.missing():
            return None
        if self._loaded is not found.value:
            async with self._one_at_a_time:
                if self._loaded is not found.value and not await self._load(found):
                    return None
        return found

    async def _load(self, found: Registered) -> bool:
        folder = self.folder
        if folder is not None:
            try:
                await asyncio.to_thread(found.value.load, folder)
            except Exception as error:
                # A model that cannot be read is like one that is not there: search does without, and says so.
                reason = (
                    f"the model in {folder} cannot be loaded ({error}); {self._advice(folder.name)} again"
                )
                self._broken = (found.value, reason)
                log.warning(f"{self._kind} not loaded", reason=reason)
                return False
        self._loaded = found.value
        return True

    def _advice(self, model: str) -> str:
        return how_to_get(model, self._settings.search.models or self._settings.var / "models")
