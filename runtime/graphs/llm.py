"""The step `llm`: asks a model alias, and streams the answer to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import msgspec
import orjson
from pydantic import BaseModel, ConfigDict, Field

from runtime.errors import InvalidInput, ModelError
from runtime.graphs.scope import Outcome, StepCall
from runtime.types import ChatRequest, Delta, Hit, JsonObject, Reply, StatePath


class LlmParams(BaseModel):
    """What the step takes.  `documents` are for models that cite natively, and for `extractive`."""

    model_config = ConfigDict(extra="forbid")

    model: str
    prompt: str
    system: str = ""
    question: str = ""
    documents: StatePath = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    stop: list[str] = []
    stream: bool = True
    returns: Literal["text", "json"] = "text"


def llm(question_field: str | None) -> Callable[[StepCall, Mapping[str, Any]], Any]:
    """Return the action; `question_field` is the graph's one text input, what a person asked."""

    async def ask(call: StepCall, filled: Mapping[str, Any]) -> Outcome:
        params = LlmParams.model_validate(dict(filled))
        if not params.question and question_field:
            params.question = str(call.values.get(question_field) or "")
        handle = call.context(params, orjson.dumps(params.prompt)).model(params.model)
        message = call.message() if params.stream and not call.held else None
        on_delta: Callable[[Delta], None] | None = message.push if message else None
        reply = await handle.complete(_request(params), on_delta)
        return Outcome(_result(reply, params.returns), _meta(reply, message.id if message else None))

    return ask


def _request(params: LlmParams) -> ChatRequest:
    # Beside the prompt: what was asked, for models that need no instructions.
    user = {"role": "user", "content": params.prompt, "question": params.question}
    system = [{"role": "system", "content": params.system}] if params.system else []
    return ChatRequest(
        model=params.model,
        messages=[*system, user],
        documents=_hits(params.documents),
        temperature=params.temperature,
        max_tokens=params.max_tokens,
        stop=params.stop,
    )


def _hits(documents: Any) -> Sequence[Hit]:
    try:
        return msgspec.convert(documents or [], list[Hit])
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"documents are no passages of a retriever ({error}); mend the step before"
        ) from None


def _result(reply: Reply, returns: str) -> Any:
    if returns == "text":
        return reply.text
    text = reply.text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ModelError(
            f"{reply.model} did not answer with JSON; ask for it in the prompt, or retry"
        ) from None


def _meta(reply: Reply, message: str | None) -> JsonObject:
    used = asdict(reply.usage)
    return {"model": reply.model, "finish": reply.finish, "usage": used, "message_id": message}
