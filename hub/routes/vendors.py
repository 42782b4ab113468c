"""The doors of OpenAI's and Anthropic's clients: models, chat completions, embeddings, messages."""

from __future__ import annotations

import base64
import struct
from contextlib import aclosing
from typing import Any

from aiohttp import web

from hub.dialects.chat import Chat
from hub.dialects.messages import Messages
from hub.endpoint import Anything, Call, Endpoint, Nothing, reply
from hub.routes.door import answer, caller, read_request
from runtime.errors import InvalidInput, NotFound
from runtime.gateway.relaying import EmbedAsk
from runtime.types import Embeddings, JsonObject, Usage

_MOST_TEXTS = 2048
_CHAT, _MESSAGES = Chat(), Messages()


async def chat(call: Call[Anything]) -> web.StreamResponse:
    """Answer a chat completion."""
    return await answer(call, _CHAT)


async def messages(call: Call[Anything]) -> web.StreamResponse:
    """Answer in Anthropic's words."""
    return await answer(call, _MESSAGES)


async def models(call: Call[Nothing]) -> web.Response:
    """List aliases and graphs, in the words of both vendors' clients."""
    listed = [_model(name) for name in _names(call)]
    ends = {"first_id": listed[0]["id"], "last_id": listed[-1]["id"]} if listed else {}
    return reply({"object": "list", "data": listed, "has_more": False, **ends})


async def model(call: Call[Nothing]) -> web.Response:
    """Return one of them."""
    name = call.path("name")
    if name not in _names(call):
        raise NotFound(f"There is no model {name[:100]}; GET /v1/models lists aliases and graphs.")
    return reply(_model(name))


async def embeddings(call: Call[Anything]) -> web.Response:
    """Turn texts into vectors, by an alias or by the embedder of search."""
    request = read_request(call, _CHAT)
    texts = _texts(request.body.get("input"))
    made = await _vectors(call, request.model, texts, request.body.get("dimensions"))
    as_text = request.body.get("encoding_format") == "base64"
    rows = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if as_text else list(vector)}
        for index, vector in enumerate(made.vectors)
    ]
    used = {"prompt_tokens": made.usage.input_tokens, "total_tokens": made.usage.input_tokens}
    return reply({"object": "list", "data": rows, "model": made.model or request.model, "usage": used})


async def _vectors(call: Call[Anything], model: str, texts: list[str], dimensions: int | None) -> Embeddings:
    gateway, engine = call.engine.gateway, call.engine
    if model == engine.settings.search.embedder and model not in gateway.aliases():
        if (own := await engine.search.embed(texts)) is None:
            raise NotFound(f"The embedder {model} has no model; run `hubbub models pull`.")
        return Embeddings([vector.tolist() for vector in own], Usage(), model=model)
    limits = gateway.limits(model)
    asked = gateway.answer(EmbedAsk(texts, dimensions), model, limits, caller(call, limits.timeout))
    async with aclosing(asked) as pieces:
        return await anext(pieces)


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 0 < len(texts) <= _MOST_TEXTS:
        raise InvalidInput(f"`input` is a text or a list of 1 to {_MOST_TEXTS} texts; mend it.")
    if not all(isinstance(text, str) and text for text in texts):
        raise InvalidInput("`input` has something in it that is no text, or an empty one; send texts.")
    return texts


def _packed(vector: Any) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _names(call: Call[Nothing]) -> list[str]:
    return sorted({*call.engine.gateway.aliases(), *call.engine.graphs.names()})


def _model(name: str) -> JsonObject:
    about = {"id": name, "object": "model", "created": 0, "owned_by": "hubbub"}
    return {**about, "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


ENDPOINTS = (
    Endpoint("GET", "/v1/models", "model.list", models),
    Endpoint("GET", "/v1/models/{name}", "model.get", model),
    Endpoint("POST", "/v1/chat/completions", "chat", chat, Anything, long=True),
    Endpoint("POST", "/v1/messages", "messages", messages, Anything, long=True),
    Endpoint("POST", "/v1/embeddings", "embeddings", embeddings, Anything, long=True),
)
