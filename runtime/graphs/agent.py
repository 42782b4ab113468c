"""The step `agent`: a model alias with named tools, which it calls until it has an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runtime.graphs.scope import Outcome, StepCall
from runtime.types import StatePath


class ToolUse(BaseModel):
    """A tool or retriever with parameters that its model does not choose, and the words it is told by."""

    model_config = ConfigDict(extra="allow")

    use: str
    name: str = Field(default="", alias="as", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    about: str = ""

    @property
    def given(self) -> Mapping[str, Any]:
        """The parameters."""
        return self.model_extra or {}


class AgentParams(BaseModel):
    """What the step takes.  `messages` is a field with the conversation so far."""

    model_config = ConfigDict(extra="forbid")

    model: str
    prompt: str
    tools: list[str | ToolUse]
    system: str = ""
    messages: StatePath = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    stream: bool = True
    returns: Literal["text", "json"] = "text"


async def agent(call: StepCall, filled: Mapping[str, Any]) -> Outcome:
    """Let LangChain's agent work until its model calls no more tools."""
    params = AgentParams.model_validate(dict(filled))
    # It takes a second to import, and most graphs have no agent.
    loop = await asyncio.to_thread(import_module, "runtime.graphs.agent_loop")
    outcome: Outcome = await loop.run(call, params)
    return outcome
