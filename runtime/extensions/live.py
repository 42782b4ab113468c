"""The plugins of a running hub: files that are edited are loaded anew, and what they were is retired."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.extensions import source
from runtime.extensions.catalog import Catalog, PluginInfo
from runtime.extensions.deadline import GRACE
from runtime.extensions.failures import in_words
from runtime.extensions.finder import FIRST_PARTY, PluginFile, find_files
from runtime.extensions.host import Host
from runtime.extensions.lifecycle import close_plugin, close_plugins, start_plugin
from runtime.extensions.loader import Loaded, catalog_of, load_file, load_files
from runtime.extensions.mcp_servers import McpServers
from runtime.extensions.stalls import StallWatch
from runtime.extensions.tasks import PluginTasks
from runtime.inference.models import Models
from runtime.settings import Settings
from runtime.telemetry import get_logger
from runtime.watch import FolderWatch

if TYPE_CHECKING:
    from runtime.telemetry.metrics import Metrics

SUFFIX = ".py"
SWEEP = 1.0
"""Seconds between two looks at the tasks that calls have left behind."""

_log = get_logger(__name__)


async def _nobody() -> None:
    """Hear of a change, and do nothing."""


class Plugins:
    """Holds the snapshot that requests read, and swaps it when a file was added, edited or removed.

    A bad edit leaves the last good one serving (`stale`).  A call that began on an object ends on it;
    further ones go to what took its place, also from a run that began with the old snapshot.
    """

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self._settings, self._metrics = settings, metrics
        self._loaded: Sequence[Loaded] = ()
        self._odd: Sequence[str] = ()
        self._refreshing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._watches: Sequence[FolderWatch] = ()
        self._owners: Mapping[str, tuple[Host, str]] = {}
        self._tasks = PluginTasks(self._host_of)
        self._stalls: StallWatch | None = None
        self._servers = McpServers(settings, metrics, self._served)
        self.models = Models(settings, metrics, self._changed)
        self._telling: set[asyncio.Task[None]] = set()
        self.catalog = Catalog()
        self.changed: Callable[[], Awaitable[None]] = _nobody
        """Awaited after each swap."""

    async def load(self) -> None:
        """Load everything there is; nothing is started."""
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        folders = {FIRST_PARTY.resolve(), self._settings.plugins.folder.resolve()}
        self._watches = [FolderWatch(folder, SUFFIX) for folder in sorted(folders)]
        files, self._odd = find_files(self._settings)
        self._loaded = load_files(files, self._settings, self._metrics)
        self._swap()

    async def start(self) -> None:
        """Call every `start`, side by side; a plugin that cannot start has failed.

        From here on it is watched what plugins do to the running loop.
        """
        asyncio.get_running_loop().set_task_factory(self._tasks)
        self._stalls = StallWatch(lambda file: self._owners.get(file))
        self._stalls.start()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_started(each), name=f"start plugin {each.info.name}")
                for each in self._loaded
            ]
        self._loaded = [task.result() for task in tasks]
        await self._servers.start()
        await self.models.start()
        self._swap()

    async def follow(self) -> None:
        """Take every edit, and end what calls have left behind, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep(), name="sweep plugin tasks")
            for watch in self._watches:
                group.create_task(self._follow(watch), name="watch plugins")

    async def _follow(self, watch: FolderWatch) -> None:
        async with aclosing(watch.changes()) as changes:
            async for _ in changes:
                try:
                    await self.refresh()
                except Exception as error:  # the next edit must be seen all the same
                    _log.error("edit of a plugin not taken", reason=in_words(error), exc_info=error)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._tasks.sweep()

    async def refresh(self) -> None:
        """Load what was added or edited since, and retire what is not there any more."""
        async with self._refreshing:
            before = {each.file.path: each for each in self._loaded}
            after, self._odd = await asyncio.to_thread(self._refreshed, before)
            begun = {"", *(each.info.module for each in self._loaded)}
            for at, each in enumerate(after):
                if each.info.module not in begun:  # also not one that goes on after a bad edit
                    after[at] = _kept(before.get(each.file.path), await _started(each))
            if not _same(self._loaded, after):
                await self._take(after)

    async def _take(self, after: Sequence[Loaded]) -> None:
        before, self._loaded = self._loaded, after
        self._swap()
        live = {each.info.module for each in after}
        for each in before:
            if each.info.module and each.info.module not in live:
                self._retire(each)
        await self.changed()

    def _refreshed(self, before: Mapping[Path, Loaded]) -> tuple[list[Loaded], Sequence[str]]:
        """Return every file as it is now; those that did not change are the same objects."""
        files, odd = find_files(self._settings)
        after = {file.path: before[file.path] for file in files if file.path in before}
        changed = {file.path for file in files if _edited(file, before.get(file.path))}
        if changed or len(after) < len(before):
            changed |= {path for path, each in after.items() if each.clash}
        for file in files:
            if file.path in changed:
                old = after.pop(file.path, None)
                new = load_file(file, self._settings, self._metrics, list(after.values()))
                after[file.path] = _kept(old, new)
        return [after[file.path] for file in files], odd

    def _swap(self) -> None:
        catalog = self._servers.added_to(catalog_of(self._loaded, self._odd))
        self.catalog = self.models.added_to(catalog)
        self._owners = {
            _code_of(each): (each.registered[0].host, each.file.shown)
            for each in self._loaded
            if each.registered
        }

    def _served(self, server: PluginInfo) -> None:
        """Take what an MCP server supplies now."""
        if server.state == "failed":
            _log.warning("mcp server not connected", plugin=server.name, reason=server.error)
        else:
            _log.info("mcp server connected", plugin=server.name, tools=len(server.supplies))
        self._changed()

    def _changed(self) -> None:
        """Take what comes from elsewhere than from files of plugins."""
        self._swap()
        task = asyncio.create_task(self._tell(), name="tell of a change")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self) -> None:
        async with self._refreshing:
            await self.changed()

    def _host_of(self, file: str) -> Host | None:
        found = self._owners.get(file)
        return found[0] if found else None

    def _retire(self, old: Loaded) -> None:
        """Let further calls go to what took its place, and close it once its last one has ended."""
        after = {(found.kind, found.name): found for found in self.catalog.registered}
        old.registered[0].host.successors = after
        task = asyncio.create_task(self._retired(old), name=f"retire plugin {old.info.name}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retired(self, old: Loaded) -> None:
        host = old.registered[0].host
        longest = host.deadline + 2 * GRACE
        if not await host.idle(longest):
            _log.warning("plugin is closed while its calls are at work", plugin=old.info.name, waited=longest)
        await close_plugin(old.info, old.registered)
        self._tasks.end(host)
        _log.info("plugin retired", plugin=old.info.name, version=old.info.version)

    async def aclose(self) -> None:
        """Call every `aclose`, and forget the modules; never raises."""
        await self._servers.aclose()
        await self.models.aclose()
        for task in self._telling:
            task.cancel()
        async with self._refreshing:
            for task in self._retiring:
                task.cancel()
            await asyncio.gather(*self._retiring, return_exceptions=True)
            await close_plugins(self.catalog)
            for host, _ in self._owners.values():
                self._tasks.end(host)
            asyncio.get_running_loop().set_task_factory(None)
            if self._stalls is not None:
                self._stalls.stop()


def _code_of(each: Loaded) -> str:
    """Return the file that its code is from, as tracebacks name it."""
    return getattr(sys.modules.get(each.info.module), "__file__", None) or str(each.file.path)


def _edited(file: PluginFile, old: Loaded | None) -> bool:
    return old is None or old.digest != source.digest(file.path)


def _same(before: Sequence[Loaded], after: Sequence[Loaded]) -> bool:
    return len(before) == len(after) and all(one is other for one, other in zip(before, after, strict=True))


def _kept(old: Loaded | None, new: Loaded) -> Loaded:
    """Return what a file is after it was read again, and say so: a bad edit leaves the old one serving."""
    info = new.info
    if info.state == "failed" and old is not None and old.registered:
        _log.warning("plugin edit not taken", plugin=info.name, file=info.file, reason=info.error)
        stale = replace(old.info, state="stale", error=info.error)
        return replace(old, digest=new.digest, info=stale, clash=new.clash)
    if info.state == "failed":
        _log.warning("plugin not loaded", plugin=info.name, file=info.file, reason=info.error)
    return new


async def _started(each: Loaded) -> Loaded:
    """Call the `start` of its objects; a plugin that cannot start has failed."""
    if not (reason := await start_plugin(each.info, each.registered)):
        return each
    source.forget(each.info.module)
    return replace(
        each, info=replace(each.info, state="failed", error=reason, supplies=(), module=""), registered=()
    )
