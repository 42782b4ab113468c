"""Plugins with mistakes: both mypy and pyright find each marked line, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hubbub import (
    ChatRequest,
    Context,
    Delta,
    Guardrail,
    Hit,
    Item,
    Provider,
    Recommender,
    Retriever,
    Score,
    Scorer,
    Step,
    Tool,
    Usage,
    Verdict,
)


class NoName:
    async def score(self, item: Mapping[str, Any], ctx: Context) -> Score:
        return Score(0.5)


class Number:
    name = "number"

    async def score(self, item: Mapping[str, Any], ctx: Context) -> float:
        return 0.5


class Texts:
    name = "texts"

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[str]:
        yield "text"


class NoK:
    name = "no-k"

    async def search(self, query: str, ctx: Context) -> Sequence[Hit]:
        return []


class Names:
    name = "names"

    async def recommend(self, user: str, k: int, ctx: Context) -> Sequence[str]:
        return ["tea"]


class NoArgs:
    name = "no-args"
    description = "Does it."

    async def run(self, args: Any, ctx: Context) -> Any:
        return None


class NoParams:
    name = "no-params"

    async def run(self, state: Mapping[str, Any], params: Any, ctx: Context) -> Any:
        return None


class Bool:
    name = "bool"
    stage = "input"

    async def check(self, text: str, ctx: Context) -> bool:
        return True


no_name: Scorer = NoName()  # wrong
number: Scorer = Number()  # wrong
texts: Provider = Texts()  # wrong
no_k: Retriever = NoK()  # wrong
names: Recommender = Names()  # wrong
no_args: Tool = NoArgs()  # wrong
no_params: Step = NoParams()  # wrong
truth: Guardrail = Bool()  # wrong

Delta(txt="misspelt")  # wrong
Usage(input_tokens="many")  # wrong
Verdict("refuse")  # wrong
Hit("id", "text")  # wrong
Item(1, 1.0)  # wrong
Score(0.5).value = 1.0  # wrong


async def use(ctx: Context) -> None:
    await ctx.emit(Delta())  # wrong
    ctx.engine  # wrong
    hits: list[str] = await ctx.collection("docs").keyword("query", 3)  # wrong
    ctx.model(3)  # wrong
    print(hits)
