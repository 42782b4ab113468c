"""The desk of this process: opens just the parts of the engine that a verb needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub.auth import TENANT, Keyring
from hub.cli.workspace import Task
from hub.publishing import outcome_object, waiting_runs
from runtime.extensions.loader import close_plugins, load_plugins, start_plugins
from runtime.graphs.library import GraphLibrary
from runtime.graphs.served import ServedGraphs
from runtime.journal.graphs import JournalGraphs
from runtime.journal.interactions import JournalInteractions
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.views import JournalViews
from runtime.recommend.refits import Refits
from runtime.records import KeyLimits
from runtime.search import IndexRequest, Search, read_labels
from runtime.settings import Settings
from runtime.telemetry import Telemetry, configure_logging


class Local:
    """`workspace.Desk` of a workspace that this process owns."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def index(self, paths: Sequence[Path], collection: str) -> AsyncIterator[Mapping[str, Any]]:
        """Index in a child process of this one."""
        async with _search(self._settings) as search:
            request = IndexRequest(TENANT, collection, [str(path) for path in paths])
            async for progress in search.index(request):
                yield asdict(progress)

    async def measure(
        self, task: Task, queries: Path, qrels: Path, collection: str, rerank: int = 0
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Measure search with the model loaded here."""
        labels = await asyncio.to_thread(read_labels, queries, qrels)
        async with _search(self._settings) as search:
            evaluation = search.evaluation(TENANT, collection)
            done = evaluation.tune(labels) if task == "tune" else evaluation.evaluate(labels, rerank)
            async for measured in done:
                yield asdict(measured)

    async def new_key(self, name: str, tenant: str, limits: KeyLimits) -> Mapping[str, Any]:
        """Make an API key and keep its hash."""
        async with _keyring(self._settings) as keyring:
            key, text = await keyring.create(name, tenant, limits)
        return {"id": key.id, "key": text, "name": key.name, "tenant": key.tenant}

    async def revoke_key(self, id: str) -> None:
        """Refuse an API key from now on."""
        async with _keyring(self._settings) as keyring:
            await keyring.revoke(id)

    async def rebuild_views(self) -> Mapping[str, Any]:
        """Fold the whole log into the views anew."""
        async with _journal(self._settings) as journal:
            return await JournalViews(journal).rebuild()

    async def fit(self, tenant: str) -> Mapping[str, Any]:
        """Fit a tenant's recommendations in a process of their own."""
        async with _journal(self._settings) as journal:
            did = JournalInteractions(journal)
            return await Refits(did, self._settings.var, self._settings.recommend).fit(tenant)

    async def publish(self, graph: str, percent: int) -> Mapping[str, Any]:
        """Publish what is written of a graph."""
        async with _graphs(self._settings) as (graphs, journal):
            done = await graphs.publish(graph, percent)
            waiting = await waiting_runs(journal, graph, done.version, done.canary)
            return outcome_object(done, waiting)

    async def rollback(self, graph: str) -> Mapping[str, Any]:
        """Take a publication back."""
        async with _graphs(self._settings) as (graphs, journal):
            done = await graphs.rollback(graph)
            return outcome_object(done, await waiting_runs(journal, graph, done.version))


@asynccontextmanager
async def _search(settings: Settings) -> AsyncIterator[Search]:
    # What would be a warning in a hub's log is said by the verb, for people.
    configure_logging(settings.telemetry, level="ERROR")
    catalog = await asyncio.to_thread(load_plugins, settings)
    telemetry = Telemetry(settings.telemetry)
    await start_plugins(catalog)
    search = Search(settings, lambda: catalog, telemetry)
    try:
        await search.open()
        yield search
    finally:
        await search.aclose()
        await close_plugins(catalog)
        await telemetry.aclose()


@asynccontextmanager
async def _keyring(settings: Settings) -> AsyncIterator[Keyring]:
    async with _journal(settings) as journal:
        keyring = Keyring(journal, "", settings.auth.mode)
        await keyring.load()
        yield keyring


@asynccontextmanager
async def _graphs(settings: Settings) -> AsyncIterator[tuple[ServedGraphs, SqliteJournal]]:
    # What would be a line in a hub's log is said by the verb, for people.
    configure_logging(settings.telemetry, level="ERROR")
    catalog = await asyncio.to_thread(load_plugins, settings)
    library = GraphLibrary(settings, lambda: catalog)
    async with _journal(settings) as journal:
        by_hand = settings.graphs.publish == "by-hand"
        graphs = ServedGraphs(library, JournalGraphs(journal), by_hand=by_hand)
        await graphs.open()
        yield graphs, journal


@asynccontextmanager
async def _journal(settings: Settings) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(settings.var / "hubbub.db", durability=settings.storage.durability)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.aclose()
