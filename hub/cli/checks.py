"""What `hubbub doctor` looks at: each check yields findings, each with its remedy."""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runtime.errors import ConfigError, HubbubError
from runtime.lock import holder

if TYPE_CHECKING:
    from hub.cli.program import Target
    from runtime.extensions.catalog import Catalog
    from runtime.settings import Settings

OLDEST = (3, 11)
ROOM = 200 * 1024 * 1024
"""Bytes that should be free where the workspace stores."""
INSTALL = "make setup"
OPENMP = "libgomp.so.1"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; a `note` works with less, `bad` does not work."""

    what: str
    state: Literal["ok", "note", "bad"]
    sentence: str
    remedy: str = ""


def examine(target: Target) -> Iterator[Finding]:
    """Yield what was found; without a readable config.toml only what needs none."""
    yield _python()
    yield _libraries()
    yield _openmp()
    yield _fts()
    try:
        settings = target.settings()
    except ConfigError as error:
        yield Finding("config", "bad", str(error), f"edit {error.file}")
        return
    yield Finding("config", "ok", f"workspace {settings.workspace}")
    yield from _owner(settings)
    yield _disk(settings)
    yield _journal(settings)
    yield from _secrets(settings)
    yield from _with_plugins(settings)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        return Finding(
            "python", "bad", f"this is {version}, Hubbub needs 3.11 or newer", "install python3.11"
        )
    return Finding("python", "ok", version)


def _libraries() -> Finding:
    missing = []
    for requirement in importlib.metadata.requires("hubbub") or []:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        if "extra ==" not in requirement:
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                missing.append(name)
    if missing:
        return Finding("libraries", "bad", f"not installed: {', '.join(missing)}", INSTALL)
    return Finding("libraries", "ok", "all installed")


def _openmp() -> Finding:
    """Look for what LightGBM takes from the system; on others than Linux its package brings it along."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL(OPENMP)
        except OSError:
            said = f"{OPENMP} is not there, so models of LightGBM cannot be trained or served"
            return Finding("openmp", "note", said, "apt-get install libgomp1 (or dnf install libgomp)")
    return Finding("openmp", "ok", "there for LightGBM")


def _fts() -> Finding:
    with sqlite3.connect(":memory:") as database:
        try:
            database.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
        except sqlite3.OperationalError:
            return Finding(
                "sqlite", "bad", "built without FTS5, so there is no keyword search", "install another Python"
            )
    return Finding("sqlite", "ok", f"{sqlite3.sqlite_version} with full text search")


def _owner(settings: Settings) -> Iterator[Finding]:
    try:
        owner = holder(settings.var)
    except HubbubError as error:
        yield Finding("workspace", "bad", str(error), f"ls -l {settings.var}")
        return
    if owner:
        serves = f"serves {owner.url}" if owner.url else "does not serve (yet)"
        yield Finding("workspace", "ok", f"owned by process {owner.pid}, which {serves}")
        return
    yield Finding("workspace", "ok", "nobody owns it")
    yield _port(settings)


def _port(settings: Settings) -> Finding:
    host, port = settings.hub.host, settings.hub.port
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        return Finding(
            "port", "bad", f"{host}:{port} cannot be used ({error.strerror})", "hubbub serve --port 0"
        )
    return Finding("port", "ok", f"{host}:{port} is free")


def _disk(settings: Settings) -> Finding:
    folder = settings.var if settings.var.exists() else settings.workspace
    if not folder.exists():
        return Finding("disk", "bad", f"{folder} is not there", f"hubbub init {settings.workspace}")
    free = shutil.disk_usage(folder).free
    room = f"{free // 2**20} MiB free at {folder}"
    return Finding("disk", "ok", room) if free > ROOM else Finding("disk", "bad", room, "free some space")


def _journal(settings: Settings) -> Finding:
    path = settings.var / "hubbub.db"
    if not path.exists():
        return Finding("journal", "ok", "none yet; the first start makes it")
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as database:
            (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        answer = str(error)
    if answer == "ok":
        return Finding("journal", "ok", f"{path.stat().st_size // 1024} KiB, sound")
    remedy = f"restore {path} from a backup, or move it away to start with an empty one"
    return Finding("journal", "bad", f"{path} is damaged ({answer})", remedy)


def _secrets(settings: Settings) -> Iterator[Finding]:
    named = [
        (name, plugin) for plugin, table in settings.plugins.tables.items() for name in _references(table)
    ]
    for name, plugin in named:
        try:
            settings.secret(name, needed_by=f"plugin {plugin}")
        except HubbubError as error:
            yield Finding("secret", "note", str(error), f"export {name.removeprefix('secret:')}=…")
    if named:
        return
    yield Finding("secrets", "ok", "none is named in config.toml")


def _references(value: Any) -> Iterator[str]:
    """Yield every `secret:NAME` in a settings table."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
    elif isinstance(value, str) and value.startswith("secret:"):
        yield value


def _with_plugins(settings: Settings) -> Iterator[Finding]:
    from runtime.extensions.mcp_servers import load_all

    catalog = load_all(settings)
    broken = [plugin for plugin in catalog.plugins if plugin.state == "failed"]
    for plugin in broken:
        yield Finding("plugin", "bad", f"{plugin.name}: {plugin.error}", _remedy(plugin.error))
    if not broken:
        yield Finding("plugins", "ok", f"{len(catalog.plugins)} loaded")
    yield from _aliases(settings, catalog)
    yield _embedder(settings, catalog)
    yield from _graphs(settings, catalog)


def _remedy(error: str) -> str:
    """Return how to mend a plugin: in the file whose place its error begins with, else by its last clause."""
    place = error.partition(":")[0]
    return f"edit {place}" if place.endswith((".py", ".toml")) else error.rpartition("; ")[2].rstrip(".")


def _aliases(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    from runtime.gateway.models import describe

    described = {name: describe(alias, catalog) for name, alias in settings.models.items()}
    for name, alias in described.items():
        if not alias.skipped:
            continue
        why = "; ".join(f"{label} cannot answer, {reason}" for label, reason in alias.skipped.items())
        state: Literal["note", "bad"] = "note" if alias.usable else "bad"
        yield Finding(
            "model", state, f"{name}: {why}", f"edit [models.{name}] use in config.toml, or mend that plugin"
        )
    whole = [f"{name} ({', '.join(alias.usable)})" for name, alias in described.items() if not alias.skipped]
    if whole:
        yield Finding("models", "ok", ", ".join(whole))


def _embedder(settings: Settings, catalog: Catalog) -> Finding:
    from runtime.search.models import find_model

    embedder = catalog.get("embedder", settings.search.embedder)
    if embedder is None:
        said = f"the embedder {settings.search.embedder} is not there, so search is by keyword alone"
        return Finding("embedder", "note", said, "set [search] embedder in config.toml, or mend its plugin")
    name = getattr(embedder.value, "model", None)
    folder = find_model(name, settings.search.models, settings.var / "models") if name else None
    if name and folder is None:
        said = f"{name} is not here, so search is by keyword alone"
        return Finding(
            "embedder", "note", said, "hubbub models pull (or set HUBBUB_MODELS to a folder that has it)"
        )
    return Finding("embedder", "ok", f"{name} in {folder}" if folder else settings.search.embedder)


def _graphs(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    from runtime.graphs.library import GraphLibrary

    library = GraphLibrary(settings, lambda: catalog)
    problems = {name: found for name, found in library.problems().items() if found}
    for name in problems:
        yield Finding("graph", "bad", f"{name} has mistakes", f"hubbub graph check {name}")
    if not problems:
        yield Finding("graphs", "ok", ", ".join(library.names()) or "there are none")
