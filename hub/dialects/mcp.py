"""The words of the Model Context Protocol, in which its clients call tools: JSON-RPC, nothing remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from runtime.errors import InvalidInput
from runtime.types import JsonObject

HANDSHAKES: Final = ("2025-03-26", "2025-06-18", "2025-11-25")
"""Versions whose clients begin with `initialize`."""
STATELESS: Final = ("2026-07-28",)
"""Versions whose clients say with every request who they are."""
VERSIONS: Final = (*HANDSHAKES, *STATELESS)

NOT_A_REQUEST, NO_METHOD, WRONG_PARAMS, OTHER_HEADERS, OTHER_VERSION = -32600, -32601, -32602, -32020, -32022

_META: Final = "io.modelcontextprotocol/"
_COMPLETE: Final = {"resultType": "complete"}
_NEVER_KEPT: Final = {"ttlMs": 0, "cacheScope": "private"}
"""A graph may be edited at any time, and what there is may differ by who asks."""


class Refused(InvalidInput):
    """A message that is no request of this protocol, with the number that JSON-RPC has for it."""

    def __init__(self, message: str, number: int, data: JsonObject | None = None) -> None:
        super().__init__(message)
        self.number, self.data = number, data


@dataclass(frozen=True, slots=True)
class Message:
    """What a client sent.  With `id` None it waits for no answer."""

    method: str
    params: JsonObject
    id: str | int | None

    def text(self, name: str) -> str:
        """Return a parameter that is a text; Refused."""
        value = self.params.get(name)
        if not isinstance(value, str) or not value:
            raise Refused(f"{self.method} needs the text `{name}`; add it to `params`.", WRONG_PARAMS)
        return value

    def mapping(self, name: str) -> JsonObject:
        """Return a parameter that is an object, an empty one when it was left out; Refused."""
        value = self.params.get(name)
        if value is not None and not isinstance(value, dict):
            raise Refused(f"`{name}` of {self.method} is no JSON object; send one.", WRONG_PARAMS)
        return value or {}


# --------------------------------------------------------------------------- what clients send


def read(body: Mapping[str, Any], headers: Mapping[str, str]) -> Message:
    """Return the message of a body; Refused for what this protocol does not know."""
    version = headers.get("MCP-Protocol-Version")
    if version is not None and version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise Refused(
            f"This hub does not speak version {version[:40]} of MCP; speak one of {known}.",
            OTHER_VERSION,
            {"supported": list(VERSIONS), "requested": version},
        )
    id, method, params = body.get("id"), body.get("method", ""), body.get("params")
    sane = isinstance(method, str) and isinstance(params, dict | None) and not isinstance(id, bool)
    if body.get("jsonrpc") != "2.0" or not sane or not isinstance(id, str | int | None):
        raise Refused("The body is no message of JSON-RPC 2.0; send one, not a batch.", NOT_A_REQUEST)
    message = Message(method, params or {}, id if method else None)
    if version in STATELESS and message.id is not None:
        _compare(message, headers)
    return message


def _compare(message: Message, headers: Mapping[str, str]) -> None:
    """Refuse a request whose headers, by which proxies decide, say something else than its body."""
    said = message.mapping("_meta").get(f"{_META}protocolVersion")
    for header, value in (
        ("MCP-Protocol-Version", said),
        ("Mcp-Method", message.method),
        *([("Mcp-Name", message.params.get("name"))] if message.method == "tools/call" else []),
    ):
        if headers.get(header) != value:
            raise Refused(f"The header {header} is not what the body says; send both alike.", OTHER_HEADERS)


# --------------------------------------------------------------------------- what they are told


def answer(id: str | int | None, result: JsonObject) -> JsonObject:
    """Return the answer to a request."""
    return {"jsonrpc": "2.0", "id": id, "result": result}


def refusal(id: Any, refused: Refused) -> JsonObject:
    """Return the answer to what was refused."""
    error: JsonObject = {"code": refused.number, "message": str(refused)}
    if refused.data:
        error["data"] = refused.data
    return {"jsonrpc": "2.0", "id": id if isinstance(id, str | int) else None, "error": error}


def status(refused: Refused, headers: Mapping[str, str]) -> int:
    """Return the HTTP status of a refusal: clients that begin with a handshake read those with 200 alone."""
    if refused.number == OTHER_VERSION:
        return 400
    if headers.get("MCP-Protocol-Version") not in STATELESS:
        return 200
    return 404 if refused.number == NO_METHOD else 400


def initialized(message: Message, server: JsonObject) -> JsonObject:
    """Return the answer to `initialize`: the version that the client wants, else the newest with one."""
    wanted = message.params.get("protocolVersion")
    version = wanted if wanted in HANDSHAKES else HANDSHAKES[-1]
    return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}


def discovered(server: JsonObject) -> JsonObject:
    """Return the answer to `server/discover`."""
    about = {"supportedVersions": list(VERSIONS), "capabilities": {"tools": {}}}
    return {**about, "_meta": {f"{_META}serverInfo": server}, **_COMPLETE, **_NEVER_KEPT}


def listed(tools: Sequence[JsonObject]) -> JsonObject:
    """Return the answer to `tools/list`."""
    return {"tools": list(tools), **_COMPLETE, **_NEVER_KEPT}


def tool(name: str, description: str, arguments: JsonObject) -> JsonObject:
    """Return a tool whose arguments have that JSON Schema."""
    return {"name": name, "description": description, "inputSchema": {**arguments, "type": "object"}}


def given(value: JsonObject, about: JsonObject, words: str = "") -> JsonObject:
    """Return what a tool gave, for programs and as text; `words` go before it."""
    texts = [words] if words else []
    texts.append(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode())
    content = [{"type": "text", "text": text} for text in texts]
    return {"content": content, "structuredContent": value, "isError": False, "_meta": about, **_COMPLETE}


def failed(sentence: str, about: JsonObject) -> JsonObject:
    """Return why a tool gave nothing, so that the model which called it reads it."""
    content = [{"type": "text", "text": sentence}]
    return {"content": content, "isError": True, "_meta": about, **_COMPLETE}
