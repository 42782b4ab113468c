"""From an error to a status and a JSON body: the one table, and the one place where unknown errors end."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from hub.dialects import failures as vendors
from hub.parts import REQUEST_ID, SPAN
from runtime import errors
from runtime.telemetry import get_logger

_log = get_logger(__name__)

STATUS: Final[Mapping[type[errors.HubbubError], int]] = {
    errors.TooLarge: 413,
    errors.Unsupported: 501,
    errors.GraphError: 500,  # the graph's author can mend it, the caller cannot
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.Overloaded: 429,
    errors.ModelError: 502,
    errors.BudgetSpent: 429,
    errors.StorageError: 503,
    errors.HubbubError: 500,
}

RUN_STATUS: Final[Mapping[str, int]] = {
    "invalid_argument": 422,
    "too_large": 422,
    "model_error": 502,
    "incomplete": 502,
}
"""The status of a failed run by the code of its error; 500 for the others, 504 for one that took too long."""

_HTTP_CODES = {404: errors.NotFound.code, 413: errors.TooLarge.code}
_HTTP_SENTENCES = {
    404: "There is nothing at {method} {path}; check the address.",
    405: "{method} is not possible at {path}; check the method.",
    408: "The body of the request did not arrive in time; send it again.",
    413: "The body is over {limit} KiB ([hub] limits.message); send less.",
}


def status_of(error: errors.HubbubError) -> int:
    """Return the HTTP status of an error: of the nearest class in the table; 504 for what took too long."""
    if isinstance(error, errors.LimitExceeded) and error.limit == "timeout":
        return 504
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def failure(error: BaseException, request: web.Request) -> web.Response:
    """Return the answer to a request that failed; never a traceback, never another's secret."""
    headers: dict[str, str] = {}
    if isinstance(error, errors.HubbubError):
        status, code, sentence = status_of(error), error.code, str(error)
        if (wait := getattr(error, "retry_after", None)) is not None:
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        if isinstance(error, errors.Unauthenticated):
            headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, web.HTTPException):
        status, code = error.status, _HTTP_CODES.get(error.status, errors.InvalidInput.code)
        sentence = _of_http(error, request)
        if isinstance(error, web.HTTPMethodNotAllowed):
            headers["Allow"] = error.headers["Allow"]
    else:
        status, code, sentence = 500, "internal", _unforeseen(error, request)
    if vendors.is_vendor_door(request.path):
        headers |= vendors.headers(error)
        found = vendors.told(error, status)
        body = orjson.dumps(vendors.body(request.path, found, sentence))
        return web.Response(body=body, status=found.status, headers=headers, content_type="application/json")
    return respond(request, status, code, sentence, headers)


def broken_stream(error: BaseException, request: web.Request) -> dict[str, Any]:
    """Return the error that ends a vendor's stream whose answer is not whole."""
    sentence = str(error) if isinstance(error, errors.HubbubError) else _unforeseen(error, request)
    return vendors.broke_off(error, request.path, sentence)


def respond(
    request: web.Request,
    status: int,
    code: str,
    sentence: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> web.Response:
    """Return an error in the shape that clients of this address read; `more` goes beside code and message."""
    trace = trace_of(request)
    if request.path == "/v2" or request.path.startswith("/v2/"):
        status = 400 if status == 422 else status  # the protocol has one status for what cannot be answered
        body: dict[str, Any] = {"error": sentence}
    elif request.path.startswith("/graphs/"):
        error = {"code": code, "message": sentence, "step": None, "run": None, **more, "trace_id": trace}
        body = {"error": error}
    else:
        body = {"detail": sentence, "code": code, **more, "trace_id": trace}
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )


def trace_of(request: web.Request) -> str:
    """Return the id under which logs and traces know a request."""
    span = request.get(SPAN)
    return (span.trace_id if span else None) or request_id(request)


def request_id(request: web.Request) -> str:
    """Return a request's id: the client's own, if it sent a sane one, else a new one."""
    if REQUEST_ID not in request:
        sent = request.headers.get("X-Request-Id", "")
        sane = sent.isascii() and sent.isprintable() and 0 < len(sent) <= 64
        # Not secret, so not worth a call of the system for each request.
        request[REQUEST_ID] = sent if sane else f"{random.getrandbits(128):032x}"
    return request[REQUEST_ID]


def _unforeseen(error: BaseException, request: web.Request) -> str:
    id = request_id(request)
    _log.error(
        "request failed inside the hub",
        request=id,
        trace=trace_of(request),
        method=request.method,
        path=request.path,
        exc_info=error,
    )
    return f"The request failed inside Hubbub; look for {id} in the hub's log."


def _of_http(error: web.HTTPException, request: web.Request) -> str:
    sentence = _HTTP_SENTENCES.get(error.status, f"{error.reason}; check the request.")
    path = request.path if len(request.path) <= 200 else f"{request.path[:200]}…"
    return sentence.format(method=request.method, path=path, limit=request.client_max_size // 1024)
