"""The MCP servers of `[mcp]`: each is connected, listed, and connected again when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Never

from runtime.errors import HubbubError, InvalidInput
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.failures import Failed, in_words
from runtime.extensions.header import install_line
from runtime.extensions.host import Host
from runtime.extensions.loader import LOAD_TIMEOUT, load_plugins
from runtime.extensions.mcp_tools import tools_of
from runtime.extensions.threads import within
from runtime.inference.models import with_models
from runtime.settings import McpServer, Settings

if TYPE_CHECKING:
    from runtime.extensions.mcp_line import Line
    from runtime.telemetry.metrics import Metrics

PATIENCE = 5.0
"""Seconds that the start of a hub waits for servers; those that are slower come later."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before a server is connected again; doubled each time."""
LOOK = 60.0
"""Seconds between two listings of a server that is connected."""
_WRONG_CALL, _CLOSED = -32602, -32000
"""The numbers that the library has for a call that can never work, and for a line that has ended."""

_WAITING = "it has not answered yet; wait a moment"

Told = Callable[[PluginInfo], None]


@dataclass(frozen=True, slots=True)
class Supplied:
    """What a server is, and what it supplies."""

    info: PluginInfo
    registered: tuple[Registered, ...] = ()


class _Server:
    """One server.  Its tools stay when it is gone: calls then say so, and graphs keep their version."""

    def __init__(self, name: str, settings: Settings, host: Host, told: Told) -> None:
        self._name, self._settings, self._host, self._told = name, settings, host, told
        self._line: Line | None = None
        self.tried = asyncio.Event()
        """Set once it has answered, or has not."""
        info = PluginInfo(f"mcp_{name}", "mcp", f"[mcp.{name}] in config.toml", "failed", _WAITING)
        self.supplied = Supplied(info)

    async def run(self) -> None:
        """Be connected, until cancelled."""
        wait = FIRST_WAIT
        while True:
            try:
                await self._connected()
            except Exception as error:  # whatever a server or its address does is no failure of the hub
                why = self._why(error)
            if self._line is not None:
                self._line, wait = None, FIRST_WAIT
            self._failed(f"it is not there ({why}); mend [mcp.{self._name}], or start it")
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _connected(self) -> Never:
        """Connect, and list the tools again and again; raises when that cannot be done."""
        wanted: McpServer = self._settings.mcp[self._name]
        try:
            from runtime.extensions.mcp_line import connected
        except ModuleNotFoundError:
            raise InvalidInput(
                f"the package mcp is not installed; run: {install_line(['mcp>=2.3'])}"
            ) from None
        async with connected(self._name, wanted, self._settings) as line:
            listed = None
            while True:
                now, self._line = await line.tools(), line
                if now != listed:
                    listed = now
                    self._take(listed)
                self.tried.set()
                await line.stirs(LOOK)

    def _take(self, listed: Sequence[Any]) -> None:
        tools, odd = tools_of(self._name, listed, self._call)
        module = f"mcp server {self._name}"
        supplies = tuple(f"tool.{tool.name}" for tool in tools)
        info = replace(
            self.supplied.info, state="ready", error="; ".join(odd), supplies=supplies, module=module
        )
        registered = tuple(Registered("tool", tool.name, tool, info, None, self._host) for tool in tools)
        self.supplied = Supplied(info, registered)
        self._told(info)

    def _failed(self, reason: str) -> None:
        self.tried.set()
        if self.supplied.info.error != reason:
            info = replace(self.supplied.info, state="failed", error=reason)
            self.supplied = replace(self.supplied, info=info)
            self._told(info)

    def _why(self, error: BaseException) -> str:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, FileNotFoundError) and (command := self._settings.mcp[self._name].command):
            return f"there is no program {command[0]}"
        if getattr(error, "code", None) == _CLOSED:
            return "it has ended"
        return "it did not answer in time" if isinstance(error, TimeoutError) else in_words(error)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Call a tool; Failed while the server is not there, InvalidInput for what it never takes."""
        line, plugin = self._line, self.supplied.info.name
        if line is None:
            raise Failed(f"{plugin} cannot be called: {self.supplied.info.error}.", plugin=plugin)
        # A task of its own: its library needs one that it alone cancels.
        asking = asyncio.create_task(line.client.call_tool(tool, arguments), name=f"mcp call {tool}")
        try:
            return await asking
        except HubbubError:
            raise
        except Exception as error:
            words = in_words(error)
            if getattr(error, "code", None) == _WRONG_CALL:
                raise InvalidInput(
                    f"{plugin} refuses {tool} ({words}); ask it for something else."
                ) from error
            line.stirred.set()  # whether it is still there is seen at once
            raise Failed(f"{plugin} gave no answer ({words}); call it again.", plugin=plugin) from error


class McpServers:
    """All of them.  `told` hears of each one that has changed."""

    def __init__(self, settings: Settings, metrics: Metrics | None, told: Told) -> None:
        hosts = settings.plugins.hosts
        names = [name for name in settings.mcp if f"mcp_{name}" not in settings.plugins.disabled]
        self._servers = [
            _Server(name, settings, Host(f"mcp_{name}", hosts.get(f"mcp_{name}"), metrics), told)
            for name in names
        ]
        self._disabled = [
            PluginInfo(f"mcp_{name}", "mcp", f"[mcp.{name}] in config.toml", "disabled")
            for name in settings.mcp
            if name not in names
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, patience: float = PATIENCE) -> None:
        """Connect them side by side, and wait a little for those that are quick."""
        self._tasks = [
            asyncio.create_task(server.run(), name=f"mcp server {number}")
            for number, server in enumerate(self._servers)
        ]
        waiting = [asyncio.create_task(server.tried.wait()) for server in self._servers]
        if waiting:
            await asyncio.wait(waiting, timeout=patience)
        for each in waiting:
            each.cancel()

    async def aclose(self) -> None:
        """Leave them; programs that were started end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def added_to(self, catalog: Catalog) -> Catalog:
        """Return the catalog with what they supply; a name belongs to the plugin that has it."""
        if not self._servers and not self._disabled:
            return catalog
        supplied = [server.supplied for server in self._servers]
        taken = {(found.kind, found.name): found.plugin.file for found in catalog.registered}
        registered, infos = list(catalog.registered), list(catalog.plugins)
        for each in supplied:
            info = each.info
            for found in each.registered:
                other = taken.setdefault((found.kind, found.name), info.file)
                if other == info.file:
                    registered.append(found)
                else:
                    words = f"its tool {found.name} is left out, for {other} supplies one of that name"
                    info = replace(info, error=f"{info.error}; {words}" if info.error else words)
            infos.append(info)
        return Catalog([*infos, *self._disabled], registered, catalog.warnings)


def load_all(settings: Settings) -> Catalog:
    """Load the plugins, name the trained models, and ask the servers of `[mcp]` once for their tools.

    For verbs that need no hub.
    """
    catalog = with_models(settings, load_plugins(settings))
    if not settings.mcp:
        return catalog
    # In a thread: the verb may have a loop of its own.
    return within(LOAD_TIMEOUT, lambda: asyncio.run(_asked(settings, catalog)))


async def _asked(settings: Settings, catalog: Catalog) -> Catalog:
    servers = McpServers(settings, None, lambda info: None)
    try:
        await servers.start(LOAD_TIMEOUT / 2)
        return servers.added_to(catalog)
    finally:
        await servers.aclose()
