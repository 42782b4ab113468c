"""LangChain's agent with the hub's models and tools: what it asks and does is streamed, counted and kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

import orjson
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage, convert_to_messages
from langchain_core.messages.content import InvalidToolCall
from langchain_core.tools import BaseTool, ToolException

from runtime.errors import (
    Forbidden,
    HubbubError,
    InvalidInput,
    LimitExceeded,
    MissingSecret,
    ModelError,
    NotFound,
)
from runtime.extensions.failures import in_words
from runtime.gateway.chat_model import GatewayChatModel
from runtime.graphs.agent import AgentParams, ToolUse
from runtime.graphs.file import tool_use
from runtime.graphs.kinds import agent_use, call_plugin, chosen_by_model, description_of
from runtime.graphs.llm import result_of
from runtime.graphs.scope import MessageSink, Outcome, StepCall
from runtime.ports import ModelHandle
from runtime.types import ChatRequest, JsonObject, Reply, Usage

_ENDLESS = 1_000_000
"""Steps that LangGraph may take inside: the run's own meter counts them, and ends them in words."""
_SHOWN = 80
"""Characters of broken arguments that an error shows."""
_FATAL = (LimitExceeded, MissingSecret, Forbidden)
"""Failures of a tool that its model cannot do anything about."""

_place: ContextVar[str] = ContextVar("place of a tool call")
"""Which of the agent's calls a tool is called for: the same when the step runs again."""


async def run(call: StepCall, params: AgentParams) -> Outcome:
    """Let the agent work; its steps are checkpoints inside of this one, so a crash repeats none."""
    shown = _Shown(call, call.context(params, orjson.dumps(params.prompt)).model(params.model), params.stream)
    model = GatewayChatModel(
        handle=shown,
        alias=params.model,
        temperature=params.temperature,
        max_tokens=params.max_tokens,
        disable_streaming=True,  # the answer streams straight to the channel, not through LangChain
    )
    agent: Any = create_agent(
        model,
        [_tool(call, each) for each in params.tools],
        system_prompt=params.system or None,
        middleware=[_Counted(call, shown)],
        name=call.node.id,
    )
    begun = [*_history(params.messages), HumanMessage(params.prompt)]
    state: JsonObject = await agent.ainvoke({"messages": [*begun]}, {"recursion_limit": _ENDLESS})
    return _outcome(state["messages"][len(begun) :], params, shown)


def _history(messages: Any) -> list[BaseMessage]:
    try:
        return convert_to_messages(messages or [])
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"messages are no conversation ({in_words(error)}); mend the step before"
        ) from None


def _outcome(made: Sequence[BaseMessage], params: AgentParams, shown: _Shown) -> Outcome:
    replies = [message for message in made if isinstance(message, AIMessage)]
    last = replies[-1]
    named = last.response_metadata
    meta: JsonObject = {
        "model": named.get("model_name"),
        "finish": named.get("finish_reason"),
        "usage": asdict(reduce(_sum, replies, Usage())),
        "message_id": shown.last,
        "tool_calls": sum(isinstance(message, ToolMessage) for message in made),
    }
    reply = Reply(last.text, str(meta["model"]), str(meta["finish"]))
    return Outcome(result_of(reply, params.returns), meta)


def _sum(total: Usage, message: AIMessage) -> Usage:
    used = message.usage_metadata
    if used is None:
        return total
    return replace(
        total,
        input_tokens=total.input_tokens + used["input_tokens"],
        output_tokens=total.output_tokens + used["output_tokens"],
    )


@dataclass
class _Shown:
    """A `ModelHandle` whose answers are messages of the step.  `number` is that of the next one, from 1."""

    call: StepCall
    handle: ModelHandle
    stream_it: bool
    number: int = 1
    last: str | None = None

    async def complete(self, request: ChatRequest, on_delta: Any = None) -> Reply:
        """Ask, and show the answer as it comes."""
        message: MessageSink | None = (
            self.call.message(self.number) if self.stream_it and not self.call.held else None
        )
        reply = await self.handle.complete(request, message.push if message else None)
        if message:
            message.finish(reply.usage)
            self.last = message.id
        return reply


class _Counted(AgentMiddleware[Any, Any]):
    """Each answer of the model and each call of a tool is a step of the run, and knows its place in it."""

    def __init__(self, call: StepCall, shown: _Shown) -> None:
        self._call, self._shown = call, shown

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Ask the model."""
        self._call.scope.meter.step()
        self._shown.number = 1 + sum(isinstance(message, AIMessage) for message in request.messages)
        answered = await handler(request)
        for message in answered.result:
            if isinstance(message, AIMessage) and message.invalid_tool_calls:
                # LangChain leaves them out: the agent would end there, with what the model said before.
                raise _unreadable(message.invalid_tool_calls[0])
        return answered

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Call a tool."""
        self._call.scope.meter.step()
        asked = next(each for each in reversed(request.state["messages"]) if isinstance(each, AIMessage))
        index = [call["id"] for call in asked.tool_calls].index(request.tool_call["id"])
        place = _place.set(f"{len(request.state['messages'])}.{index}")
        try:
            return await handler(request)
        finally:
            _place.reset(place)


def _unreadable(call: InvalidToolCall) -> ModelError:
    shown = (call["args"] or "")[:_SHOWN]
    return ModelError(
        f"The model calls {call['name']} with arguments that are no JSON object ({shown}); "
        "ask again, or name another model."
    )


class _HubTool(BaseTool):
    """A tool of the catalog; what it refuses is told to the model, which may do better."""

    call: Any
    use: str
    given: Any
    """Parameters that the graph file has set, and the model does not see."""
    handle_tool_error: Any = True

    def _run(self, **arguments: Any) -> Any:
        raise InvalidInput("A tool of the hub can only be awaited; call ainvoke.")

    async def _arun(self, **arguments: Any) -> str:
        step: StepCall = self.call
        try:
            placed = replace(step, task=f"{step.task}:{_place.get()}:{self.name}")
            outcome = await call_plugin(placed, self.use, {**arguments, **self.given})
        except _FATAL:
            raise
        except HubbubError as error:
            raise ToolException(in_words(error)) from error
        result = _passages(outcome.result) if self.use.startswith("retriever.") else outcome.result
        return result if isinstance(result, str) else orjson.dumps(result).decode()


def _passages(hits: Any) -> list[JsonObject]:
    """Return what a model reads of hits."""
    return [{"id": hit["id"], "title": hit["source"].get("title", ""), "text": hit["text"]} for hit in hits]


def _tool(call: StepCall, wanted: str | ToolUse) -> BaseTool:
    wanted = ToolUse(use=wanted) if isinstance(wanted, str) else wanted
    use = tool_use(wanted.use)
    kind, _, name = use.partition(".")
    found = agent_use(call.scope.catalog, use)
    if found is None:
        raise NotFound(f"there is no {use}; see `hubbub plugin list`")
    value = found.newest.value
    return _HubTool(
        name=wanted.name or (name if kind == "tool" else f"{kind}_{name}"),
        description=wanted.about or getattr(value, "description", "") or description_of(value) or use,
        args_schema=_without(chosen_by_model(found).model_json_schema(), wanted.given),
        call=call,
        use=use,
        given=wanted.given,
    )


def _without(schema: JsonObject, given: Mapping[str, Any]) -> JsonObject:
    """Return the schema of what is left to choose."""
    properties = {name: each for name, each in schema.get("properties", {}).items() if name not in given}
    required = [name for name in schema.get("required", ()) if name not in given]
    return {**schema, "properties": properties, "required": required}
