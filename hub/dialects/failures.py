"""An error in the words of the vendors' clients: status, type and code, and whether they should try again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from runtime import errors
from runtime.types import JsonObject

ANTHROPIC = "/v1/messages"
OPENAI = "/v1/"


class Told(NamedTuple):
    """How a failure is told: its status, and the words of both vendors for it."""

    status: int
    code: str | None
    openai: str
    anthropic: str


_REASONS: Final[Mapping[errors.FailureReason, Told]] = {
    "auth": Told(502, "provider_auth", "api_error", "api_error"),
    "quota": Told(502, "provider_quota", "api_error", "api_error"),
    "rate_limit": Told(429, "rate_limit_exceeded", "rate_limit_error", "rate_limit_error"),
    "overloaded": Told(503, "overloaded", "api_error", "overloaded_error"),
    "unavailable": Told(502, "provider_unavailable", "api_error", "api_error"),
    "timeout": Told(504, "timeout", "api_error", "api_error"),
    "too_long": Told(400, "context_length_exceeded", "invalid_request_error", "invalid_request_error"),
    "refused": Told(400, "content_policy_violation", "invalid_request_error", "invalid_request_error"),
    "invalid": Told(400, None, "invalid_request_error", "invalid_request_error"),
    "broken": Told(502, "incomplete", "api_error", "api_error"),
}
_STATUSES: Final[Mapping[int, Told]] = {
    400: Told(400, None, "invalid_request_error", "invalid_request_error"),
    401: Told(401, "invalid_api_key", "authentication_error", "authentication_error"),
    403: Told(403, None, "permission_error", "permission_error"),
    404: Told(404, "model_not_found", "invalid_request_error", "not_found_error"),
    408: Told(408, None, "invalid_request_error", "invalid_request_error"),
    409: Told(409, None, "invalid_request_error", "invalid_request_error"),
    413: Told(413, None, "invalid_request_error", "request_too_large"),
    422: Told(400, None, "invalid_request_error", "invalid_request_error"),
    429: Told(429, "rate_limit_exceeded", "rate_limit_error", "rate_limit_error"),
    503: Told(503, "overloaded", "api_error", "overloaded_error"),
    504: Told(504, "timeout", "api_error", "api_error"),
}
_INTERNAL = Told(500, "internal", "api_error", "api_error")
_CAUSES: Final[Mapping[str, Told]] = {
    errors.BudgetSpent.code: Told(429, "insufficient_quota", "insufficient_quota", "rate_limit_error"),
    errors.Overloaded.code: _STATUSES[429],
    errors.InvalidInput.code: _STATUSES[400],
}
"""How a step of a graph failed, by the code of its cause."""
_NO_RESPONSE = Told(404, "response_not_found", "invalid_request_error", "not_found_error")


def is_vendor_door(path: str) -> bool:
    """Whether an address speaks a vendor's language."""
    return path.startswith(OPENAI)


def told(error: BaseException, status: int) -> Told:
    """Return how an error is told; `status` is what other addresses answer with."""
    if isinstance(error, errors.BudgetSpent):
        return _CAUSES[error.code]
    if isinstance(error, errors.StepFailed):
        return _CAUSES.get(error.cause_code, _INTERNAL)
    if isinstance(error, errors.ModelError):
        return _REASONS[error.reason]
    if isinstance(error, errors.NoSuchResponse):
        return _NO_RESPONSE
    found = _STATUSES.get(status, _INTERNAL)
    code = getattr(error, "vendor_code", None)
    return found._replace(code=code) if code else found


def headers(error: BaseException) -> dict[str, str]:
    """Return what keeps a client from trying again where we already have."""
    spent = isinstance(error, errors.StepFailed) and error.cause_code == errors.BudgetSpent.code
    if spent or isinstance(error, errors.ModelError | errors.BudgetSpent):
        return {"x-should-retry": "false"}
    return {}


def body(path: str, found: Told, sentence: str, code: str | None = None) -> JsonObject:
    """Return the error as the clients of this address read it."""
    if path.startswith(ANTHROPIC):
        return {"type": "error", "error": {"type": found.anthropic, "message": sentence}}
    code = code or found.code
    return {"error": {"message": sentence, "type": found.openai, "param": None, "code": code}}


def broke_off(error: BaseException, path: str, sentence: str) -> JsonObject:
    """Return the error that ends a stream whose answer is not whole."""
    found = told(error, 500)
    code = found.code if found in _CAUSES.values() else getattr(error, "stream_code", "incomplete")
    return body(path, found, sentence, code)
