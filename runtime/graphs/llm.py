"""The step `llm`: asks a model alias, and streams the answer to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

import msgspec
import orjson
from pydantic import BaseModel, ConfigDict, Field

from runtime.errors import InvalidInput, ModelError
from runtime.graphs.scope import MessageSink, Outcome, StepCall
from runtime.ports import ModelHandle
from runtime.types import ChatRequest, Delta, Hit, JsonObject, Reply, StatePath

_SHOWN = 30
"""Characters before and after a mistake that are shown of it."""


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
        request = _request(params)
        reply, message = await _complete(call, params, handle, request)
        try:
            result = result_of(reply, params.returns)
        except _NoJson as broken:
            if message:
                message.fail("restarted", str(broken))
            reply, message = await _complete(call, params, handle, _mending(request, reply, broken))
            result = result_of(reply, params.returns)
        return Outcome(result, _meta(reply, message.id if message else None))

    return ask


async def _complete(
    call: StepCall, params: LlmParams, handle: ModelHandle, request: ChatRequest
) -> tuple[Reply, MessageSink | None]:
    """Ask, and stream the answer as a message when the step does that."""
    message = call.message() if params.stream and not call.held else None
    on_delta: Callable[[Delta], None] | None = message.push if message else None
    return await handle.complete(request, on_delta), message


class _NoJson(ModelError):
    """An answer that should have been JSON."""


def _mending(request: ChatRequest, reply: Reply, broken: _NoJson) -> ChatRequest:
    """Return the request that shows the model its mistake."""
    ask = f"This is not JSON: {broken} Answer again with the whole JSON and nothing else."
    more = [{"role": "assistant", "content": reply.text}, {"role": "user", "content": ask}]
    return replace(request, messages=[*request.messages, *more])


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


def result_of(reply: Reply, returns: str) -> Any:
    """Return an answer as the step gives it; ModelError when it should be JSON and is none."""
    if returns == "text":
        return reply.text
    text = reply.text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        shown = f"{text[max(0, error.pos - _SHOWN) : error.pos]}⏵{text[error.pos : error.pos + _SHOWN]}"
        raise _NoJson(
            f"{reply.model} did not answer with JSON ({error.msg} in line {error.lineno}, column "
            f"{error.colno}, at: {shown}); ask for it in the prompt, or name a model that can."
        ) from None


def _meta(reply: Reply, message: str | None) -> JsonObject:
    used = asdict(reply.usage)
    return {"model": reply.model, "finish": reply.finish, "usage": used, "message_id": message}
