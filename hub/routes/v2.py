"""The Open Inference Protocol: predictive models for the clients that KServe and Triton have."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, Nothing, read_body, reply
from hub.parts import ENGINE
from hub.routes.door import caller
from runtime.errors import InvalidInput, PluginError, TooLarge
from runtime.inference.targets import Target, ask, target

_HEADER = "Inference-Header-Content-Length"


class _Index(msgspec.Struct):
    """What the list is asked for."""

    ready: bool = False


# --------------------------------------------------------------------------- health, which anybody may ask


async def live(request: web.Request) -> web.Response:
    """Answer while the event loop runs."""
    return reply({"live": True})


async def ready(request: web.Request) -> web.Response:
    """Answer 200 once every model that was found serves or has failed, and until the hub stops."""
    engine = request.app[ENGINE]
    if engine.draining or engine.models.opening:
        return reply({"ready": False}, status=503)
    return reply({"ready": True})


# --------------------------------------------------------------------------- what there is


async def server(call: Call[Nothing]) -> web.Response:
    """Say what this server is and can do."""
    from runtime.engine import VERSION

    return reply(
        {"name": "hubbub", "version": VERSION, "extensions": ["binary_tensor_data", "model_repository"]}
    )


async def index(call: Call[_Index]) -> web.Response:
    """List every version of every model, with its state and why it does not serve."""
    engine = call.engine
    rows = engine.models.index()
    names = {row["name"] for row in rows}
    rows += [
        {"name": name, "version": "1", "state": "ready", "reason": ""}
        for name in engine.catalog.names("model")
        if name not in names
    ]
    listed = [{**row, "state": _STATES[row["state"]]} for row in rows]
    return reply([row for row in listed if row["state"] == "READY" or not call.given.ready])


_STATES = {"ready": "READY", "stale": "READY", "loading": "LOADING", "failed": "UNAVAILABLE"}


async def metadata(call: Call[Nothing]) -> web.Response:
    """Return what a model takes and gives."""
    return reply((await _target(call)).metadata)


async def model_ready(call: Call[Nothing]) -> web.Response:
    """Answer 200 when a model answers; 400 says why it does not."""
    name, version = call.path("name"), call.request.match_info.get("version", "")
    model = call.engine.models.get(name)
    if model is not None and not model.answers(version):
        raise InvalidInput(f"The model {name} is not ready; POST /v2/repository/index says why.")
    await _target(call)
    return reply({"name": name, "ready": True})


# --------------------------------------------------------------------------- requests to a model


async def infer(call: Call[Nothing]) -> web.Response:
    """Predict."""
    return await _answer(call, "predict")


async def explain(call: Call[Nothing]) -> web.Response:
    """Say what each feature contributes to a prediction, where the model can."""
    return await _answer(call, "explain")


async def _answer(call: Call[Nothing], method: str) -> web.Response:
    from hub.dialects.inference import read, write  # it brings numpy along

    header = _header(call.request)
    asked = read(await _body(call, header), header)
    found = await _target(call)
    ctx = caller(call, 2 * call.engine.settings.inference.timeout)  # the model's own limit is met first
    outputs = await ask(found, method, asked.inputs, ctx, call.engine.telemetry)
    about = {"model_name": found.name, "model_version": found.version}
    body, length = write(asked, about, outputs)
    if length is None:
        return web.Response(body=body, content_type="application/json")
    return web.Response(body=body, content_type="application/octet-stream", headers={_HEADER: str(length)})


async def _target(call: Call[Any]) -> Target:
    """Return the model that the address names; one that is being opened is waited for."""
    engine, name = call.engine, call.path("name")
    patience = engine.settings.inference.timeout
    try:
        async with asyncio.timeout(patience):
            return await target(
                engine.models, engine.catalog, name, call.request.match_info.get("version", "")
            )
    except TimeoutError:
        raise PluginError(f"The model {name} is still being opened; ask again in a moment.") from None


def _header(request: web.Request) -> int | None:
    """Return how many bytes of the body are JSON; None when all of them are."""
    sent = request.headers.get(_HEADER)
    if sent is None:
        return None
    if not (sent.isascii() and sent.isdigit()) or len(sent) > 12:
        raise InvalidInput(f"The header {_HEADER} is no number of bytes; mend it.")
    return int(sent)


async def _body(call: Call[Nothing], header: int | None) -> bytes:
    """Return the body, which may be large where it holds binary tensors: JSON costs much more to read."""
    if header is None:
        return await read_body(call.request)
    settings = call.engine.settings
    if header > settings.hub.limits.message:
        raise TooLarge(f"The JSON has {header} bytes ([hub] limits.message); send tensors as binary data.")
    try:
        return await read_body(call.request.clone(client_max_size=settings.inference.message))
    except web.HTTPRequestEntityTooLarge:
        most = settings.inference.message // 1024
        raise TooLarge(f"The body is over {most} KiB ([inference] message); send it in parts.") from None


ROUTES = (web.get("/v2/health/live", live), web.get("/v2/health/ready", ready))


def _for_model(method: Any, end: str, name: str, handle: Any, *, long: bool = False) -> list[Endpoint]:
    """Return the addresses of a model and of one version of it."""
    return [
        Endpoint(method, f"/v2/models/{{name}}{version}{end}", name, handle, long=long)
        for version in ("", "/versions/{version}")
    ]


ENDPOINTS = (
    Endpoint("GET", "/v2", "inference.server", server),
    Endpoint("POST", "/v2/repository/index", "inference.index", index, _Index),
    *_for_model("GET", "", "inference.metadata", metadata, long=True),
    *_for_model("GET", "/ready", "inference.ready", model_ready),
    *_for_model("POST", "/infer", "inference.infer", infer, long=True),
    *_for_model("POST", "/explain", "inference.explain", explain, long=True),
)
