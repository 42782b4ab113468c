"""What operators and probes ask: does it live, is it ready, how is each part, what has it counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hub.auth import principal_of
from hub.endpoint import reply
from hub.parts import ENGINE
from runtime.errors import Unauthenticated
from runtime.extensions.checkup import check_plugins
from runtime.telemetry import METRICS_CONTENT_TYPE
from runtime.types import Health, JsonObject

if TYPE_CHECKING:
    from runtime.engine import Engine
    from runtime.graphs.served import GraphState

_KEYWORD = (
    "Search works by keyword alone, because there is no embedding model; `hubbub models pull` fetches one, "
    "then `hubbub index` adds the vectors."
)
_FATAL = frozenset({"journal"})
"""Parts without which no request can be served; trouble in another one is a warning."""
_PATIENCE = 1.0
"""Seconds to wait for graph files that nobody has read since the start."""


async def livez(request: web.Request) -> web.Response:
    """Answer while the event loop runs."""
    return reply({"status": "pass"})


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 when requests can be served, 503 while the hub stops or cannot write."""
    engine = request.app[ENGINE]
    if engine.draining:
        return _unready("The hub is stopping; ask another one, or again in a moment.")
    journal = (await engine.health())["journal"]
    return reply({"status": "pass"}) if journal.ok else _unready(journal.detail)


async def healthz(request: web.Request) -> web.Response:
    """Return the state of every part (health+json); strangers are told only whether all is well."""
    engine = request.app[ENGINE]
    checks = await _checks(engine)
    states = {check["status"] for found in checks.values() for check in found}
    status = next(state for state in ("fail", "warn", "pass") if state in states or state == "pass")
    body: JsonObject = {"status": status}
    try:
        principal_of(request)
        body |= {"version": "1", "releaseId": _release(), "checks": checks}
    except Unauthenticated:
        pass
    response = reply(body, status=503 if status == "fail" else 200)
    response.content_type = "application/health+json"
    return response


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics in Prometheus' text format."""
    principal_of(request)
    return web.Response(
        body=request.app[ENGINE].telemetry.render(), headers={"Content-Type": METRICS_CONTENT_TYPE}
    )


async def ok(request: web.Request) -> web.Response:
    """Answer as the LangGraph SDK expects of a server."""
    return reply({"ok": True})


async def info(request: web.Request) -> web.Response:
    """Say what this server is and can do, in the words of the LangGraph SDK."""
    flags = {"assistants": True, "crons": False, "langsmith": False, "strict_resume": False}
    return reply({"name": "hubbub", "version": _release(), "flags": flags, "strict_resume": False})


ROUTES = (
    web.get("/livez", livez),
    web.get("/readyz", readyz),
    web.get("/healthz", healthz),
    web.get("/metrics", metrics),
    web.get("/ok", ok),
    web.get("/info", info),
)


# --------------------------------------------------------------------------- the parts


def _unready(reason: str) -> web.Response:
    return reply({"status": "fail", "output": reason}, status=503)


async def _checks(engine: Engine) -> dict[str, list[JsonObject]]:
    parts = await engine.health()
    for more in (_models, _search):
        parts |= more(engine)
    parts |= {f"plugin:{name}": health for name, health in (await check_plugins(engine.catalog)).items()}
    parts |= {f"graph:{state.name}": _graph(state) for state in await engine.graphs.states(_PATIENCE)}
    if unread := engine.graphs.unread:
        parts["graphs:unread"] = Health(
            True, f"{unread} files are still to be checked; ask again in a moment."
        )
    return {name: [_check(name, health)] for name, health in parts.items()}


def _models(engine: Engine) -> Iterator[tuple[str, Health]]:
    for name, alias in engine.gateway.aliases().items():
        skipped = "; ".join(f"{candidate} is skipped: {why}" for candidate, why in alias.skipped.items())
        told = [part for part in (", ".join(alias.usable), skipped) if part]
        yield f"model:{name}", Health(bool(alias.usable), "; ".join(told))


def _graph(state: GraphState) -> Health:
    told = [f"version {state.version}"] if state.version else []
    if state.canary:
        told.append(f"{state.percent} % of the threads get version {state.canary}")
    if state.draft:
        told.append(f"version {state.draft} is written and not live")
    told += [str(finding) for finding in state.findings]
    return Health(not state.errors, "; ".join(told))


def _search(engine: Engine) -> Iterator[tuple[str, Health]]:
    hybrid = engine.search.mode == "hybrid"
    yield "search:mode", Health(hybrid, "hybrid" if hybrid else _KEYWORD)


def _check(name: str, health: Health) -> JsonObject:
    status = "pass" if health.ok else "fail" if name in _FATAL else "warn"
    check: dict[str, Any] = {"componentType": "component", "status": status}
    return {**check, "output": health.detail} if health.detail else check


def _release() -> str:
    from runtime.engine import VERSION

    return VERSION
