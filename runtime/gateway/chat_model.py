"""The gateway as a chat model of LangChain, so that its agents and chains ask a model alias."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable

from runtime.errors import InvalidInput
from runtime.gateway.langchain_messages import (
    ai_chunk,
    ai_message,
    choice_word,
    format_object,
    message_object,
    tool_object,
)
from runtime.types import ChatRequest


class GatewayChatModel(BaseChatModel):
    """The model behind a `ModelHandle`: tokens, tool calls, usage and structured output.

    It can only be awaited (`ainvoke`, `astream`): the gateway has no sync twin.
    """

    handle: Any
    alias: str = ""
    temperature: float | None = None
    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return "hubbub"

    def _generate(self, messages: list[BaseMessage], *args: Any, **more: Any) -> ChatResult:
        raise InvalidInput("A model of the hub can only be awaited; call ainvoke or astream.")

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **more: Any
    ) -> ChatResult:
        reply = await self.handle.complete(self._request(messages, stop, more))
        return ChatResult(generations=[ChatGeneration(message=ai_message(reply))])

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **more: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self.handle.stream(self._request(messages, stop, more))) as deltas:
            async for delta in deltas:
                chunk = ChatGenerationChunk(message=ai_chunk(delta))
                if run_manager:
                    await run_manager.on_llm_new_token(delta.text, chunk=chunk)
                yield chunk

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **more: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools that it may call."""
        return self.bind(tools=list(tools), tool_choice=tool_choice, **more)

    def _request(self, messages: Sequence[BaseMessage], stop: list[str] | None, more: Any) -> ChatRequest:
        return ChatRequest(
            model=self.alias,
            messages=[message_object(message) for message in messages],
            tools=[tool_object(tool) for tool in more.get("tools") or ()],
            tool_choice=choice_word(more.get("tool_choice")),
            parallel_tool_calls=more.get("parallel_tool_calls"),
            response_format=format_object(more.get("response_format")),
            temperature=more.get("temperature", self.temperature),
            max_tokens=more.get("max_tokens", self.max_tokens),
            stop=stop or (),
        )
