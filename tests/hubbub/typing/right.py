"""Plugins as they are meant: neither mypy nor pyright finds anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from hubbub import (
    Cache,
    ChatRequest,
    Context,
    Delta,
    Embedder,
    Event,
    Guardrail,
    Hit,
    Item,
    JsonObject,
    Model,
    Provider,
    Recommender,
    Retriever,
    Score,
    Scorer,
    Step,
    Subscriber,
    Tool,
    Usage,
    Verdict,
    hookimpl,
)

SCHEMA: JsonObject = {"type": "object"}


class Echo:
    name = "echo"

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        reply = await ctx.model("writer").complete(request)
        ctx.emit(Delta(text=reply.text))
        yield Delta(text=str(request.messages[-1]["content"]), usage=Usage(1, 1), finish="stop")


class Zeros:
    name = "zeros"
    size = 3

    def embed(self, texts: Sequence[str], ctx: Context | None) -> NDArray[np.float32]:
        return np.zeros((len(texts), self.size), dtype=np.float32)


class Nothing:
    name = "nothing"

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        return await ctx.collection("docs").keyword(query, k)


class Half:
    name = "half"

    async def score(self, item: Mapping[str, Any], ctx: Context) -> Score:
        return Score(0.5, ("always", {"text": "half"}))


class Tea:
    name = "tea"

    async def recommend(self, user: str, k: int, ctx: Context) -> Sequence[Item]:
        return [Item("tea", 1.0, ("it is there",))][:k]


class Line:
    name = "line"
    schema = SCHEMA

    async def predict(self, inputs: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        return {"y": inputs["x"]}


class Add:
    name = "add"
    description = "Adds."

    class Args(BaseModel):
        a: int = 1

    async def run(self, args: Args, ctx: Context) -> JsonObject:
        async with ctx.http().get("https://example.com") as answer:
            return {"sum": args.a, "status": answer.status}


class Count:
    name = "count"

    class Params(BaseModel):
        text: str

    async def run(self, state: Mapping[str, Any], params: Params, ctx: Context) -> int:
        return len(params.text)


class Allow:
    name = "allow"
    stage = "input"

    async def check(self, text: str, ctx: Context) -> Verdict:
        return Verdict("rewrite", text.strip(), "spaces")


class Forgetful:
    name = "forgetful"

    async def get(self, key: str) -> bytes | None:
        return None

    async def set(self, key: str, value: bytes, ttl: float) -> None: ...

    async def delete(self, key: str) -> None: ...


class Deaf:
    name = "deaf"

    async def on_event(self, event: Event, ctx: Context) -> None:
        ctx.log.info("heard", id=event.id)


@hookimpl
def register_providers() -> list[Provider]:
    return [Echo()]


@hookimpl
def register_embedders(settings: Any) -> Sequence[Embedder]:
    return [Zeros()]


retriever: Retriever = Nothing()
scorer: Scorer = Half()
recommender: Recommender = Tea()
model: Model = Line()
tool: Tool = Add()
step: Step = Count()
guardrail: Guardrail = Allow()
cache: Cache = Forgetful()
subscriber: Subscriber = Deaf()
