"""Two hubs: one whose graphs are four scripts and all else is real, and one on a real engine."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np
import pytest

from hub.address import take_address
from hub.app import Server, serve
from runtime.errors import InvalidInput, NoSuchCheckpoint, NotFound
from runtime.extensions.catalog import Catalog
from runtime.graphs.file import Limits
from runtime.graphs.run_config import check_limits, refuse_own_values
from runtime.graphs.served import GraphState
from runtime.journal.items import JournalItems
from runtime.journal.ledger import JournalLedger
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.views import JournalViews
from runtime.records import Run, RunStatus
from runtime.runs.channel import Channel, Draft
from runtime.runs.channels import Channels
from runtime.runs.control import Control
from runtime.runs.crons import Crons
from runtime.runs.dispatch import Dispatcher
from runtime.runs.messages import MessageWriter
from runtime.runs.queue import RunQueue
from runtime.runs.run import Ending
from runtime.runs.runs import Runs
from runtime.runs.state import NEWEST, Place, ThreadState
from runtime.runs.threads import Threads
from runtime.settings import AuthSettings, EgressSettings, HubSettings, Settings, StorageSettings
from runtime.store.store import Store
from runtime.telemetry import Telemetry
from runtime.types import Delta, Health, JsonObject, Usage
from tests.runtime.runs.conftest import World

GRAPHS = ("echo", "fail", "late", "wait")


@dataclass(frozen=True)
class ScriptedVersion:
    """What the hub asks of a graph version."""

    name: str
    version: str = "v1"
    about: str = "A script for tests."
    file: str = ""
    input_schema: JsonObject = field(default_factory=lambda: {"type": "object"})
    output_schema: JsonObject = field(default_factory=lambda: {"type": "object"})
    state_schema: JsonObject = field(default_factory=lambda: {"type": "object"})
    config_schema: JsonObject | None = None
    context_schema: JsonObject | None = None
    steps: tuple[str, ...] = ("answer",)
    waits_to_act: bool = True
    canary: bool = False

    def validate_config(self, config: JsonObject) -> None:
        """Take what graphs of text files take."""
        check_limits(config, Limits())
        refuse_own_values(config)

    def validate_input(self, input: JsonObject | None) -> JsonObject:
        """Take an object whose `text` is text."""
        if input is None or not isinstance(input.get("text"), str):
            raise InvalidInput(f"{self.name} needs the text `text`; send it in the input.")
        return input


class ScriptedGraphs:
    """The four graphs."""

    def __init__(self) -> None:
        self.told: Callable[[GraphState], None] = lambda state: None

    def names(self) -> list[str]:
        """Name them."""
        return list(GRAPHS)

    async def get(self, name: str, thread: str = "") -> ScriptedVersion:
        """Return one of them."""
        if name not in GRAPHS:
            raise NotFound(f"There is no graph {name}; did you mean echo?")
        return ScriptedVersion(name)

    async def version(self, name: str, version: str) -> ScriptedVersion:
        """Return one of them: they have one version each."""
        return await self.get(name)

    async def states(self, patience: float = 0.0) -> list[GraphState]:
        """All of them can be run."""
        return [GraphState(name, "1") for name in GRAPHS]

    @property
    def unread(self) -> int:
        """None is in a file."""
        return 0


class ScriptedWorker:
    """Carries out the graphs: `echo` says its words, `fail` fails, `late` takes too long, `wait` waits."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.states: dict[str, JsonObject] = {}

    async def execute(self, run: Run, channel: Channel, catalog: Catalog, control: Control) -> Ending:
        """Play a script."""
        text = (run.input or {})["text"]
        channel.live(run.id, "values", {"text": text})
        match run.graph:
            case "fail":
                error = {"code": "model_error", "message": "No model answered; try later.", "step": "answer"}
                return Ending(RunStatus.ERROR, error={**error, "run": run.id})
            case "late":
                late = {"code": "limit_exceeded", "message": "It took too long.", "step": None, "run": run.id}
                return Ending(RunStatus.TIMEOUT, error=late)
            case "wait":
                await self.release.wait()
        about = {"run_id": run.id, "thread_id": run.thread, "langgraph_node": "answer", "model": "echo:1"}
        message = MessageWriter(channel, run.id, f"{run.id}:answer", about)
        for word in text.split(" "):
            message.push(Delta(text=f"{word} "))
            await asyncio.sleep(0)
        message.finish(Usage(input_tokens=1, output_tokens=2))
        channel.durable(run.id, [Draft("custom", {"name": "noticed", "payload": {"words": 1}})])
        channel.durable(run.id, [Draft("updates", {"node": "answer", "values": {"answer": text}})])
        values = self.states[run.thread] = {"text": text, "answer": text}
        channel.live(run.id, "values", values)
        return Ending(RunStatus.SUCCESS, output={"answer": text})

    async def undo(self, run: Run, channel: Channel, catalog: Catalog, ending: Ending) -> Ending:
        """Undo nothing: the scripts do nothing outside."""
        return ending

    async def left_to_undo(self, run: Run) -> Ending | None:
        """Say that nothing was left."""
        return None

    async def read(
        self, thread: str, place: Place = NEWEST, *, subgraphs: bool = False
    ) -> ThreadState | None:
        """Return the newest state of a thread."""
        if place.checkpoint not in (None, "c1") or place.namespace:
            raise NoSuchCheckpoint(f"The thread {thread} has only the checkpoint c1; leave it out.")
        if thread not in self.states:
            return None
        return ThreadState(self.states[thread], place=Place("c1"), created_at="2025-01-01T00:00:00Z")


class WordSearch:
    """An embedder by words: texts that share some are near.  With the space "" there is none."""

    mode = "hybrid"
    space = "words:64"

    async def embed(self, texts: Sequence[str]) -> Any:
        """Count hashed words."""
        if not self.space:
            return None
        vectors = np.zeros((len(texts), 64), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in "".join(char if char.isalnum() else " " for char in text.lower()).split():
                row[zlib.crc32(word.encode()) % 64] += 1
        return vectors


@dataclass
class ScriptedEngine:
    """What the hub asks of an engine."""

    settings: Settings
    journal: SqliteJournal
    threads: Threads
    runs: Runs
    crons: Crons
    worker: ScriptedWorker
    telemetry: Telemetry
    search: Any
    store: Store
    views: JournalViews
    graphs: ScriptedGraphs = field(default_factory=ScriptedGraphs)
    catalog: Catalog = field(default_factory=Catalog)
    gateway: Any = field(default_factory=lambda: SimpleNamespace(aliases=dict))
    boot_token: str = "boot-token"
    draining: bool = False

    async def health(self) -> dict[str, Health]:
        """Return the journal's."""
        return {"journal": await self.journal.check()}

    async def drain(self, seconds: float) -> None:
        """Stop the runs."""
        self.draining = True
        await self.crons.aclose()
        await self.runs.stop(seconds)

    async def aclose(self, drain: float = 0.0) -> None:
        """Stop runs and journal."""
        await self.drain(drain)
        await self.journal.aclose()


async def scripted_engine(folder: Path, settings: Settings) -> ScriptedEngine:
    """Open one in a folder."""
    journal = SqliteJournal(folder / "hubbub.db", durability="normal")
    await journal.open()
    worker, telemetry, graphs = ScriptedWorker(), Telemetry(settings.telemetry), ScriptedGraphs()
    queue = RunQueue(settings.runs.concurrency, settings.runs.queue)
    channels = Channels(journal)
    dispatcher = Dispatcher(queue, worker, Catalog, telemetry, settings.runs.attempts)
    ledger = JournalLedger(journal)
    runs = Runs(journal, channels, queue, dispatcher, graphs, worker, ledger)  # type: ignore[arg-type]
    threads = Threads(journal, channels, queue, worker)  # type: ignore[arg-type]
    crons = Crons(journal, runs)
    await crons.open()
    search = WordSearch()
    store = Store(JournalItems(journal), search)
    views = JournalViews(journal)
    return ScriptedEngine(settings, journal, threads, runs, crons, worker, telemetry, search, store, views)


@dataclass
class Hub:
    """A running hub and a client of it."""

    engine: Any
    server: Server
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.server.url

    @property
    def owner(self) -> dict[str, str]:
        """The headers of the user who serves it."""
        return {"Authorization": f"Bearer {self.engine.boot_token}"}

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Send a request; returns the status and the JSON of the answer (None when it is empty)."""
        if body is not None:
            options["json"] = body
        async with self.client.request(method, path, **options) as answer:
            raw = await answer.read()
            return answer.status, await answer.json(content_type=None) if raw else None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of the hub; a test module may have its own."""
    return Settings(
        workspace=tmp_path,
        hub=HubSettings(port=0, drain=1.0),
        storage=StorageSettings(path=tmp_path),
        egress=EgressSettings(allow=("127.0.0.1",)),
    )


@pytest.fixture
async def hub(tmp_path: Path, settings: Settings) -> AsyncIterator[Hub]:
    """A running hub, open to everyone on this machine."""
    async with running(tmp_path, settings) as found:
        yield found


@pytest.fixture
async def guarded(tmp_path: Path, settings: Settings) -> AsyncIterator[Hub]:
    """A running hub that asks for keys."""
    async with running(tmp_path, settings.model_copy(update={"auth": AuthSettings(mode="keys")})) as found:
        yield found


class RealHub:
    """A hub on the engine of a workspace, which can be stopped and served again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)

    server: Server
    client: aiohttp.ClientSession

    async def serve(self, port: int = 0, **sections: Any) -> None:
        """Begin."""
        await self.world.open(**sections)
        engine = self.world.engine
        self.server = await serve(engine, take_address(engine.settings, "127.0.0.1", port))
        self.client = aiohttp.ClientSession(self.server.url)

    async def stop(self) -> None:
        """End."""
        await self.client.close()
        await self.server.stop()

    async def restart(self) -> None:
        """Stop, and serve again at the same address."""
        await self.stop()
        await self.serve(self.server.port)

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.server.url

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Send a request; returns the status and the JSON of the answer (None when it is empty)."""
        return await Hub(None, self.server, self.client).ask(method, path, body, **options)


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[RealHub]:
    """A running hub on a real engine."""
    found = RealHub(tmp_path)
    await found.serve()
    yield found
    await found.stop()


class running:  # noqa: N801 - reads as a verb
    """Serve a scripted engine until the block ends."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings

    async def __aenter__(self) -> Hub:
        engine = await scripted_engine(self._folder, self._settings)
        try:
            server = await serve(engine)  # type: ignore[arg-type]
        except BaseException:
            await engine.aclose()
            raise
        self._hub = Hub(engine, server, aiohttp.ClientSession(server.url))
        return self._hub

    async def __aexit__(self, *_: object) -> None:
        await self._hub.client.close()
        await self._hub.server.stop()
