"""The composition root: opens every part of the engine from Settings, and closes them in order."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.batches.batches import Batches
from runtime.cache import choose_cache
from runtime.config import Settings
from runtime.egress import Egress
from runtime.extensions.catalog import Catalog
from runtime.extensions.context import Services
from runtime.extensions.live import Plugins
from runtime.gateway.gateway import Gateway
from runtime.graphs.library import SUFFIX, GraphLibrary
from runtime.graphs.served import ServedGraphs
from runtime.inference.artifacts import Artifacts
from runtime.inference.models import Models
from runtime.inference.targets import ask, target
from runtime.journal.graphs import JournalGraphs
from runtime.journal.interactions import JournalInteractions
from runtime.journal.items import JournalItems
from runtime.journal.ledger import JournalLedger
from runtime.journal.measuring import JournalMeasures
from runtime.journal.responses import JournalResponses
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.subscriptions import JournalSubscriptions
from runtime.journal.views import JournalViews
from runtime.ports import Cache, Collection, Context, Interactions, Measures, ModelHandle
from runtime.recommend.interactions import AllInteractions
from runtime.recommend.refits import Refits
from runtime.runs.channels import Channels
from runtime.runs.crons import Crons
from runtime.runs.dispatch import Dispatcher
from runtime.runs.queue import RunQueue
from runtime.runs.runs import Runs
from runtime.runs.subscribers import Subscribers
from runtime.runs.sweeper import Sweeper
from runtime.runs.threads import Threads
from runtime.search import Search
from runtime.storage import Views
from runtime.telemetry import Telemetry, get_logger
from runtime.types import Health
from runtime.watch import FolderWatch

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from pathlib import Path

    import aiohttp

    from runtime.ports import Vectors
    from runtime.store.store import Store

VERSION = "0.1.0"

_log = get_logger(__name__)

_FLUSH = 1.0, 5.0
"""Seconds that the last spans get to leave, at least and at most."""


@dataclass(slots=True)
class _Services:
    """What the engine lends to a plugin's context."""

    gateway: Gateway
    search: Search
    did: AllInteractions
    egress: Egress
    artifacts: Artifacts
    plugins: Plugins
    telemetry: Telemetry
    journal: SqliteJournal
    client: aiohttp.ClientSession | None = None

    def model(self, alias: str, ctx: Context) -> ModelHandle:
        return self.gateway.model(alias, ctx)

    def collection(self, tenant: str, name: str) -> Collection:
        return self.search.collection(tenant, name)

    def interactions(self, tenant: str) -> Interactions:
        return self.did.of(tenant)

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        return await self.search.embed(texts)

    def measures(self, tenant: str) -> Measures:
        return JournalMeasures(self.journal, tenant)

    def artifact(self, name: str, version: str = "") -> Path:
        return self.artifacts.find(name, version)

    async def predict(
        self, model: str, inputs: Mapping[str, Any], version: str, ctx: Context
    ) -> Mapping[str, Any]:
        found = await target(self.plugins.models, self.plugins.catalog, model, version)
        return await ask(found, "predict", inputs, ctx, self.telemetry)

    def http(self) -> aiohttp.ClientSession:
        if self.client is None:
            from runtime.outbound import open_client

            self.client = open_client(self.egress)
        return self.client

    async def aclose(self) -> None:
        if self.client is not None:
            await self.client.close()


@dataclass(slots=True)
class Engine:
    """Everything a front door calls.  One process has one; `aclose` ends it."""

    settings: Settings
    telemetry: Telemetry
    plugins: Plugins
    journal: SqliteJournal
    graphs: ServedGraphs
    gateway: Gateway
    responses: JournalResponses
    search: Search
    threads: Threads
    runs: Runs
    crons: Crons
    batches: Batches
    store: Store
    interactions: AllInteractions
    refits: Refits
    views: Views
    services: Services
    boot_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    draining: bool = False
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def catalog(self) -> Catalog:
        """Every plugin as it is now."""
        return self.plugins.catalog

    @property
    def models(self) -> Models:
        """The trained models of the workspace's folder."""
        return self.plugins.models

    async def health(self) -> dict[str, Health]:
        """Return the health of each part, by name."""
        ill = ("failed", "stale", "resting")
        broken = [f"{each.name} ({each.state})" for each in self.catalog.plugins if each.state in ill]
        problems = [state.name for state in await self.graphs.states() if state.errors]
        return {
            "journal": await self.journal.check(),
            "search": self.search.health(),
            "plugins": Health(not broken, f"not as they should be: {', '.join(broken)}" if broken else ""),
            "graphs": Health(not problems, f"with mistakes: {', '.join(problems)}" if problems else ""),
        }

    async def drain(self, seconds: float) -> None:
        """Accept nothing more; give active runs `seconds` to reach a step boundary, and leave them there."""
        self.draining = True
        await self.crons.aclose()
        await self.batches.aclose()
        await self.runs.stop(seconds)

    async def aclose(self, drain: float = 0.0) -> None:
        """Give active runs `drain` seconds, then close every part in the reverse order of opening.

        The last spans get what is left of these seconds, but not long, whatever the collector does.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + drain
        await self.drain(drain)
        await self._opened.aclose()
        least, most = _FLUSH
        await self.telemetry.aclose(min(most, max(least, until - clock())))


async def open_engine(settings: Settings) -> Engine:
    """Open a workspace whose lock the caller holds; CannotStart when a part cannot be opened.

    Runs that the last process left unfinished go on at once.
    """
    async with AsyncExitStack() as last, AsyncExitStack() as stack:
        telemetry = Telemetry(settings.telemetry, service_version=VERSION)
        last.push_async_callback(telemetry.aclose)
        ground = await _open_ground(settings, telemetry, stack)
        # LangGraph costs 0.6 s to import: after the child processes were started, which start meanwhile.
        graphs = await _open_graphs(ground, stack)
        did = JournalInteractions(ground.journal)
        interactions = AllInteractions(did, settings.var)
        refits = Refits(did, settings.var, settings.recommend)
        _go_on(stack, refits.run(), "refits")
        services = _services(ground, interactions)
        stack.push_async_callback(services.aclose)
        runs = await _open_runs(ground, graphs, services, stack)
        _go_on(stack, ground.plugins.follow(), "plugins")
        _go_on(stack, graphs.served.follow(graphs.edits.changes()), "graphs")
        last.pop_all()
        return Engine(
            settings=settings,
            telemetry=telemetry,
            plugins=ground.plugins,
            journal=ground.journal,
            graphs=graphs.served,
            gateway=ground.gateway,
            responses=runs.responses,
            search=ground.search,
            threads=runs.threads,
            runs=runs.runs,
            crons=runs.crons,
            batches=runs.batches,
            store=graphs.store,
            interactions=interactions,
            refits=refits,
            views=ground.views,
            services=services,
            _opened=stack.pop_all(),
        )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What graphs and runs stand on."""

    settings: Settings
    telemetry: Telemetry
    journal: SqliteJournal
    plugins: Plugins
    search: Search
    views: JournalViews
    cache: Cache
    gateway: Gateway

    def catalog(self) -> Catalog:
        return self.plugins.catalog


@dataclass(frozen=True, slots=True)
class _Graphs:
    """The graphs of the workspace, how their edits are seen, and what they remember across threads."""

    served: ServedGraphs
    edits: FolderWatch
    store: Store


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs, what starts them, and what is kept of them."""

    threads: Threads
    runs: Runs
    crons: Crons
    batches: Batches
    responses: JournalResponses


async def _open_ground(settings: Settings, telemetry: Telemetry, stack: AsyncExitStack) -> _Ground:
    stalls = asyncio.create_task(telemetry.metrics.watch_loop(), name="loop watch")
    stack.callback(stalls.cancel)
    path, durability = settings.var / "hubbub.db", settings.storage.durability
    journal = SqliteJournal(path, durability=durability, committed=telemetry.metrics.commit)
    plugins = Plugins(settings, telemetry.metrics)
    await plugins.load()

    def catalog() -> Catalog:
        return plugins.catalog

    await journal.open()
    stack.push_async_callback(journal.aclose)
    await plugins.start()
    stack.push_async_callback(plugins.aclose)
    _announce(plugins.catalog)
    search = Search(settings, catalog, telemetry)
    await search.open()
    stack.push_async_callback(search.aclose)
    views = JournalViews(journal)
    cache = choose_cache(settings.cache.use, catalog)
    gateway = Gateway(settings, catalog, telemetry, views, cache, search.embed)
    stack.push_async_callback(gateway.aclose)
    _name_skipped(gateway)
    return _Ground(settings, telemetry, journal, plugins, search, views, cache, gateway)


async def _open_graphs(ground: _Ground, stack: AsyncExitStack) -> _Graphs:
    from runtime.graphs.opening import add_python_graphs
    from runtime.store.store import Store

    settings, plugins = ground.settings, ground.plugins
    store = Store(JournalItems(ground.journal), ground.search)
    await store.open()
    stack.push_async_callback(store.aclose)
    edits = FolderWatch(settings.workspace / "graphs", SUFFIX)
    library = GraphLibrary(settings, ground.catalog)
    python = await add_python_graphs(library, plugins.catalog, settings)
    by_hand = settings.graphs.publish == "by-hand"
    served = ServedGraphs(library, JournalGraphs(ground.journal), by_hand=by_hand)
    await served.open()

    async def changed() -> None:
        await python.take(plugins.catalog)
        await served.plugins_changed()

    plugins.changed = changed
    return _Graphs(served, edits, store)


def _services(ground: _Ground, interactions: AllInteractions) -> _Services:
    return _Services(
        gateway=ground.gateway,
        search=ground.search,
        did=interactions,
        egress=Egress(ground.settings.egress.allow),
        artifacts=Artifacts(ground.settings.inference.folder),
        plugins=ground.plugins,
        telemetry=ground.telemetry,
        journal=ground.journal,
    )


async def _open_runs(ground: _Ground, graphs: _Graphs, services: Services, stack: AsyncExitStack) -> _Runs:
    from runtime.graphs.guards import check_names
    from runtime.journal.checkpoints import JournalSaver
    from runtime.runs.states import States
    from runtime.runs.worker import Worker
    from runtime.store.adapter import JournalStore

    settings, journal, telemetry = ground.settings, ground.journal, ground.telemetry
    keep, served = settings.storage.keep, graphs.served
    saver, ledger = JournalSaver(journal, keep=keep.checkpoints), JournalLedger(journal)
    check_names(settings.guardrails, ground.plugins.catalog)
    worker = Worker(
        *(served, saver, services, telemetry, settings.runs.timeout, ledger, ground.cache),
        *(ground.views.record, ground.views.note, JournalStore(graphs.store)),
        guardrails=settings.guardrails,
    )
    queue = RunQueue(settings.runs.concurrency, settings.runs.queue)
    channels, states = Channels(journal), States(served, saver)
    dispatcher = Dispatcher(queue, worker, ground.catalog, telemetry, settings.runs.attempts)
    runs = Runs(journal, channels, queue, dispatcher, served, states, ledger)
    threads = Threads(journal, channels, queue, states)
    batches = Batches(journal, runs, served, settings.batches, settings.runs.concurrency)
    if recovered := await runs.recover():
        _log.info("unfinished runs go on", runs=recovered)
    await batches.open()
    crons = Crons(journal, runs)
    await crons.open()
    responses = JournalResponses(journal, keep.responses)
    _go_on(stack, Sweeper(journal, threads, saver.aprune, keep.threads, responses.sweep).run(), "sweeper")
    subscribers = Subscribers(JournalSubscriptions(journal), ground.catalog, services)
    _go_on(stack, subscribers.run(), "subscribers")
    return _Runs(threads, runs, crons, batches, responses)


def _go_on(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Do something as long as the engine is open."""
    stack.push_async_callback(_end, asyncio.create_task(work, name=name))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _name_skipped(gateway: Gateway) -> None:
    """Say which candidates nobody will ask, and why: a forgotten key is best found at the start."""
    for alias, info in gateway.aliases().items():
        for label, reason in info.skipped.items():
            _log.warning("candidate skipped", model=alias, candidate=label, reason=reason)


def _announce(catalog: Catalog) -> None:
    for plugin in catalog.plugins:
        if plugin.state == "failed" and plugin.kind != "mcp":  # a server has said so itself
            _log.warning("plugin not loaded", plugin=plugin.name, file=plugin.file, reason=plugin.error)
