"""The models of the folder: they are opened, watched, and called like those of plugins."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

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

_AT_ONCE = 4
"""Models that are opened side by side, each in a process of its own first."""

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
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

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
        self._task = asyncio.create_task(self._follow(watch), name="models")

    async def aclose(self) -> None:
        """Open nothing more."""
        tasks = [*self._opening.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, watch: FolderWatch) -> None:
        self._open()
        async with aclosing(watch.changes()) as changes:
            async for _ in changes:
                try:
                    await self._look()
                    self._told()
                    self._open()
                except Exception as error:  # the next change must be seen all the same
                    _log.error("models not taken", reason=in_words(error), exc_info=error)

    def _open(self) -> None:
        """Begin to open what is not opened yet, model by model: one that takes long holds up no other."""
        for name, (model, _) in self._models.items():
            if name not in self._opening and _unsettled(model):
                task = asyncio.create_task(self._open_model(model), name=f"open model {name}")
                self._opening[name] = task
                task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        del self._opening[name]
        if task.cancelled():
            return
        if error := task.exception():
            _log.error("model not opened", model=name, reason=in_words(error), exc_info=error)
        else:
            self._open()  # a version may have come after the last look

    async def _open_model(self, model: FolderModel) -> None:
        """Open its versions, the newest first, until none is left."""
        from runtime.inference.trial import tried

        async with self._turns:
            while waiting := _unsettled(model):
                for number, version in waiting.items():
                    if version.found.refused:
                        self._settle(model, number, version, None, version.found.refused)
                by_folder = {
                    version.found.folder: (number, version)
                    for number, version in waiting.items()
                    if not version.settled.is_set()
                }
                async with aclosing(tried(list(by_folder))) as trials:
                    async for folder, reason in trials:
                        number, version = by_folder[folder]
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
        return any(_unsettled(model) for model, _ in self._models.values())

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
            error=error if self._task else "",  # a verb that needs no hub opens none
            version=version,
            supplies=(f"model.{name}",),
            module=f"model {name}",
        )


def _unsettled(model: FolderModel) -> dict[int, Version]:
    """Return the versions that neither serve nor have failed yet, the newest first."""
    versions = sorted(model.versions.items(), reverse=True)
    return {number: version for number, version in versions if not version.settled.is_set()}


def with_models(settings: Settings, catalog: Catalog) -> Catalog:
    """Return the catalog with the models of the folder, none of them opened: for verbs that need no hub."""
    models = Models(settings, None, lambda: None)
    models.look()
    return models.added_to(catalog)
