"""For plugins that bring LangChain along: its tools and retrievers become ours, our models one of its."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel, ConfigDict, create_model

from runtime.errors import InvalidInput
from runtime.gateway.chat_model import GatewayChatModel
from runtime.ports import Context, ModelHandle
from runtime.types import Hit

__all__ = ["chat_model", "retriever", "tool"]


def chat_model(
    handle: ModelHandle, *, temperature: float | None = None, max_tokens: int | None = None
) -> BaseChatModel:
    """Return what `ctx.model(alias)` gave as a chat model, which is to be awaited."""
    return GatewayChatModel(handle=handle, temperature=temperature, max_tokens=max_tokens)


def tool(wrapped: BaseTool, name: str = "") -> _Tool:
    """Return a tool of LangChain as one of the hub; `name` is what graphs call it, its own without."""
    return _Tool(wrapped, name or wrapped.name)


def retriever(wrapped: BaseRetriever, name: str) -> _Retriever:
    """Return a retriever of LangChain as one of the hub, `retriever.NAME` in graphs."""
    return _Retriever(wrapped, name)


class _Tool:
    def __init__(self, wrapped: BaseTool, name: str) -> None:
        self.name, self.description = name, wrapped.description
        self.Args = _args(wrapped)
        self._wrapped = wrapped

    async def run(self, args: Any, ctx: Context) -> Any:
        """Call it; what it refuses is told to the caller."""
        try:
            return await self._wrapped.ainvoke(args.model_dump(exclude_unset=True))
        except ToolException as error:
            raise InvalidInput(f"{self.name} refuses that ({error}); ask it for something else.") from error


def _args(wrapped: BaseTool) -> type[BaseModel]:
    """Return the model of its arguments; one that takes everything where there is a JSON Schema alone."""
    schema: Any = wrapped.tool_call_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema
    given: dict[str, Any] = schema if isinstance(schema, dict) else schema.schema()
    open_to_all = ConfigDict(extra="allow", json_schema_extra=lambda made: made.update(given))
    return create_model(f"{wrapped.name} arguments", __config__=open_to_all)


class _Retriever:
    def __init__(self, wrapped: BaseRetriever, name: str) -> None:
        self.name, self._wrapped = name, wrapped

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        """Return its documents in their order, at most `k`."""
        documents = await self._wrapped.ainvoke(query)
        return [_hit(rank, each) for rank, each in enumerate(documents[:k])]


def _hit(rank: int, document: Any) -> Hit:
    metadata = cast(Mapping[str, Any], document.metadata or {})
    id = str(document.id or metadata.get("id") or rank)
    source = {"path": str(metadata.get("source") or ""), "id": id, "title": str(metadata.get("title") or "")}
    # LangChain's retrievers give an order and no scores.
    score = float(metadata.get("score") or 1 / (1 + rank))
    return Hit(id, document.page_content, score, {**source, "line": 0}, metadata=metadata)
