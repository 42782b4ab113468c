"""What the host of plugins costs: a call beside a direct one, a piece of a stream, a load, a process."""

from __future__ import annotations

import asyncio
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runtime.extensions import guard
from runtime.extensions.catalog import Registered
from runtime.extensions.finder import PluginFile
from runtime.extensions.lifecycle import close_plugins, start_plugins
from runtime.extensions.loader import catalog_of, load_file, load_files
from runtime.settings import PluginHost, PluginsSettings, Settings
from runtime.telemetry.metrics import Metrics

PLUGIN = '''"""A scorer and a provider that do nothing much."""

from pydantic import BaseModel

from hubbub import Delta, Score, hookimpl


class Settings(BaseModel):
    big: int = 500


class Fit:
    name = "fit{number}"

    class Params(BaseModel):
        weight: float = 1.0

    def __init__(self, big):
        self.answer = Score(1 / big)

    async def score(self, item, ctx):
        return self.answer


class Says:
    name = "says{number}"

    async def stream(self, request, ctx):
        delta = Delta(text="word ")
        for _ in range(request):
            yield delta


@hookimpl
def register_scorers(settings):
    return [Fit(settings.big)]


@hookimpl
def register_providers():
    return [Says()]
'''


def _settings(folder: Path, hosts: dict[str, PluginHost] | None = None) -> Settings:
    plugins = PluginsSettings(folder=folder / "plugins", hosts=hosts or {})
    return Settings(workspace=folder, plugins=plugins)


def _write(folder: Path, count: int) -> list[PluginFile]:
    (folder / "plugins").mkdir(exist_ok=True)
    files = []
    for number in range(count):
        path = folder / "plugins" / f"fit{number}.py"
        path.write_text(PLUGIN.replace("{number}", str(number)))
        files.append(PluginFile(path.stem, path, f"plugins/{path.name}", "drop-in"))
    return files


def load_seconds(count: int) -> tuple[float, float]:
    """Return the seconds to import `count` files, and to load them as plugins."""
    with tempfile.TemporaryDirectory() as name:
        files = _write(Path(name), count)
        load_files(files[:1], _settings(Path(name)), None)
        began = time.perf_counter()
        for number, file in enumerate(files):
            spec = importlib.util.spec_from_file_location(f"bench_import_{number}", file.path)
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[f"bench_import_{number}"] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        imported = time.perf_counter() - began
        began = time.perf_counter()
        loaded = load_files(files, _settings(Path(name)), None)
        seconds = time.perf_counter() - began
    assert all(each.registered for each in loaded), loaded[0].info
    return imported, seconds


def reload_seconds(times: int) -> list[float]:
    """Return the seconds of each load of one file that was edited, beside a hundred others."""
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        files = _write(Path(name), 101)
        settings = _settings(Path(name))
        others = load_files(files[1:], settings, None)
        for _ in range(times):
            began = time.perf_counter()
            assert load_file(files[0], settings, None, others).registered
            seconds.append(time.perf_counter() - began)
    return seconds


async def call_seconds(times: int, rounds: int = 5) -> tuple[float, float]:
    """Return the seconds of a call of a scorer: directly, and through the host."""
    with tempfile.TemporaryDirectory() as name:
        catalog = catalog_of(load_files(_write(Path(name), 1), _settings(Path(name)), Metrics()))
    found, ctx = _get(catalog.get("scorer", "fit0")), SimpleNamespace(tenant="acme")
    until = time.monotonic() + 600

    async def direct() -> None:
        for _ in range(times):
            await found.value.score({}, ctx)

    async def hosted() -> None:
        for _ in range(times):
            await guard.call(found, "score", {}, ctx, deadline=until)

    return await _best(direct, hosted, times, rounds)


async def piece_seconds(times: int, rounds: int = 5) -> tuple[float, float]:
    """Return the seconds of a piece of a stream: directly, and through the host."""
    with tempfile.TemporaryDirectory() as name:
        catalog = catalog_of(load_files(_write(Path(name), 1), _settings(Path(name)), Metrics()))
    found, ctx = _get(catalog.get("provider", "says0")), SimpleNamespace(tenant="acme")

    async def direct() -> None:
        await _exhaust(found.value.stream(times, ctx))

    async def hosted() -> None:
        await _exhaust(guard.stream(found, "stream", times, ctx, deadline=time.monotonic() + 600))

    return await _best(direct, hosted, times, rounds)


async def process_call_seconds(times: int) -> list[float]:
    """Return the seconds of each call of a scorer in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        settings = _settings(Path(name), {"fit0": PluginHost(run="process")})
        files = _write(Path(name), 1)
        catalog = await start_plugins(catalog_of(await asyncio.to_thread(load_files, files, settings, None)))
        found, until, seconds = _get(catalog.get("scorer", "fit0")), time.monotonic() + 600, []
        ids = dict.fromkeys(("tenant", "run", "thread", "idempotency_key"), "x")
        ctx = SimpleNamespace(**ids, params=None, deadline=until)
        for _ in range(times):
            began = time.perf_counter()
            await guard.call(found, "score", {"employees": 3}, ctx, deadline=until)
            seconds.append(time.perf_counter() - began)
        await close_plugins(catalog)
    return seconds


def _get(found: Registered | None) -> Registered:
    assert found is not None
    return found


async def _exhaust(pieces: AsyncIterator[Any]) -> None:
    async for _ in pieces:
        pass


async def _best(
    direct: Callable[[], Awaitable[None]], hosted: Callable[[], Awaitable[None]], times: int, rounds: int
) -> tuple[float, float]:
    """Return the median of each, measured in turns."""
    found: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        for measured, work in zip(found, (direct, hosted), strict=True):
            began = time.perf_counter()
            await work()
            measured.append((time.perf_counter() - began) / times)
    return statistics.median(found[0]), statistics.median(found[1])
