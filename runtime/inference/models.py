"""The models of the folder: they are opened, watched, and called like those of plugins."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from runtime.errors import HubbubError
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.failures import in_words
from runtime.extensions.host import Host
from runtime.extensions.threads import Threads
from runtime.inference.artifacts import Artifacts
from runtime.inference.folder import Found, look
from runtime.inference.model import FolderModel, Version
from runtime.settings import PluginHost, Settings
from runtime.telemetry import get_logger
from runtime.types import JsonObject
from runtime.watch import FolderWatch

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.inference.served import Served
    from runtime.telemetry.metrics import Metrics

_LEVELS = 2
"""Folders inside the folder: of names, and of versions."""

_log = get_logger(__name__)


class Models:
    """Every model of `[inference] folder`.  `told` hears when one has come, changed or gone.

    A version is first opened in a process of its own: what is damaged ends that one.  A version that is
    taken out of service ends the calls it has, for they hold it.
    """

    def __init__(self, settings: Settings, metrics: Metrics | None, told: Callable[[], None]) -> None:
        self._settings, self._metrics, self._told = settings.inference, metrics, told
        self._artifacts = Artifacts(settings.inference.folder)
        self._threads = Threads(settings.inference.threads)
        self._models: dict[str, tuple[FolderModel, Host]] = {}
        self._taken: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Take note of what is there; nothing is opened."""
        self._take(look(self._artifacts, self._settings.versions))

    async def _look(self) -> None:
        self._take(await asyncio.to_thread(look, self._artifacts, self._settings.versions))

    def _take(self, now: Mapping[str, Mapping[int, Found]]) -> None:
        for name in self._models.keys() - now.keys():
            del self._models[name]
            _log.info("model taken out", model=name)
        for name, versions in now.items():
            if name not in self._models:
                self._models[name] = FolderModel(name), self._host(name)
            model, _ = self._models[name]
            for number in model.versions.keys() - versions.keys():
                del model.versions[number]
            for number, found in versions.items():
                before = model.versions.get(number)
                if before is None or before.found != found:
                    model.versions[number] = Version(found, before.served if before else None)

    def _host(self, name: str) -> Host:
        # Its own queue bounds calls and time, and says so: here the deadline is only for one being opened.
        bounds = PluginHost(deadline=3 * self._settings.timeout, concurrency=100_000)
        return Host(f"model_{name}", bounds, self._metrics)

    # ----------------------------------------------------------------------- in a running hub

    async def start(self) -> None:
        """Take note of what is there, and begin to open it; requests wait for what they need."""
        watch = FolderWatch(self._settings.folder, "", levels=_LEVELS)
        await self._look()
        self._task = asyncio.create_task(self._run(watch), name="models")

    async def aclose(self) -> None:
        """Open nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, watch: FolderWatch) -> None:
        await self._caught(self._open())
        async with aclosing(watch.changes()) as changes:
            async for _ in changes:
                await self._caught(self._changed())

    async def _caught(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # the next change must be seen all the same
            _log.error("models not taken", reason=in_words(error), exc_info=error)

    async def _changed(self) -> None:
        await self._look()
        self._told()
        await self._open()

    async def _open(self) -> None:
        """Open what is not opened yet, the newest of each model first."""
        waiting = [
            (model, number, version)
            for model, _ in self._models.values()
            for number, version in sorted(model.versions.items(), reverse=True)
            if not version.settled.is_set()
        ]
        for model, number, version in waiting:
            if version.found.refused:
                self._settle(model, number, version, None, version.found.refused)
        by_folder = {each[2].found.folder: each for each in waiting if not each[2].settled.is_set()}
        if not by_folder:
            return
        from runtime.inference.trial import tried

        async with aclosing(tried(list(by_folder))) as trials:
            async for folder, reason in trials:
                model, number, version = by_folder[folder]
                served = None
                if not reason:
                    served, reason = await self._opened(model.name, number, folder)
                self._settle(model, number, version, served, reason)

    async def _opened(self, name: str, number: int, folder: Path) -> tuple[Served | None, str]:
        from runtime.inference.batches import Batches
        from runtime.inference.opening import open_version
        from runtime.inference.served import Served

        settings = self._settings
        try:
            opened = await asyncio.to_thread(open_version, folder, settings.cores)
        except HubbubError as error:
            return None, error.message
        except Exception as error:
            return None, f"it cannot be opened ({in_words(error)}); export a smaller model"
        batches = Batches(name, opened, settings, self._threads, self._metrics)
        return Served(name, str(number), opened, batches, settings.rows), ""

    def _settle(
        self, model: FolderModel, number: int, version: Version, served: Served | None, reason: str
    ) -> None:
        version.settle(served, reason.rstrip("."))
        if reason:
            _log.warning("model cannot be served", model=model.name, version=number, reason=version.reason)
        else:
            _log.info("model serves", model=model.name, version=number)
        self._told()

    # ----------------------------------------------------------------------- what there is

    def get(self, name: str) -> FolderModel | None:
        """Return the model of a name, None when the folder has none, or a plugin supplies one."""
        found = self._models.get(name)
        return found[0] if found and name not in self._taken else None

    def registered(self, served: Served) -> Registered:
        """Return one version as what plugins register, called under the bounds of its model."""
        _, host = self._models[served.name]
        return Registered("model", served.name, served, self._info(served.name), None, host)

    @property
    def opening(self) -> bool:
        """Whether a version that was found has neither served nor failed yet."""
        return any(
            not v.settled.is_set() for model, _ in self._models.values() for v in model.versions.values()
        )

    def index(self) -> list[JsonObject]:
        """Return every version with its state and why it does not serve."""
        return [
            {"name": name, "version": str(number), "state": version.state, "reason": version.reason}
            for name, (model, _) in sorted(self._models.items())
            for number, version in sorted(model.versions.items())
        ]

    def added_to(self, catalog: Catalog) -> Catalog:
        """Return the catalog with these models; a name belongs to the plugin that has it."""
        if not self._models:
            return catalog
        self._taken = {found.name: found.plugin.file for found in catalog.registered if found.kind == "model"}
        registered, infos = list(catalog.registered), list(catalog.plugins)
        for name, (model, host) in sorted(self._models.items()):
            info = self._info(name)
            infos.append(info)
            if name not in self._taken:
                registered.append(Registered("model", name, model, info, None, host))
        return Catalog(infos, registered, catalog.warnings)

    def _info(self, name: str) -> PluginInfo:
        """Return what lists show of a model."""
        model, _ = self._models[name]
        state, error, version = model.status
        about = PluginInfo(f"model_{name}", "model", f"{self._settings.folder.name}/{name}", "failed")
        if owner := self._taken.get(name):
            words = f"{owner} supplies model.{name} already; rename one of them"
            return dataclasses.replace(about, error=words)
        return dataclasses.replace(
            about,
            state="ready" if state == "loading" else state,
            error=error,
            version=version,
            supplies=(f"model.{name}",),
            module=f"model {name}",
        )


def with_models(settings: Settings, catalog: Catalog) -> Catalog:
    """Return the catalog with the models of the folder, none of them opened: for verbs that need no hub."""
    models = Models(settings, None, lambda: None)
    models.look()
    return models.added_to(catalog)
