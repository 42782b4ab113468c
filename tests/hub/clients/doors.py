"""A parrot that plays a provider, graphs that are asked as models, and a hub that has both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llmock.testing import LLMockServer

from runtime.settings import ModelAlias, PluginsSettings
from tests.hub.conftest import RealHub
from tests.vendors.conftest import MARKER

MODELS = {"parrot": ModelAlias.model_validate({"use": ["parrot"], "retries": 0})}

PARROT = '''"""A provider that does what the user says, in the vocabulary of all providers."""

import asyncio

from hubbub import Delta, ModelError, ToolCall, Usage, hookimpl


class Parrot:
    name = "parrot"
    stumbled = False

    async def stream(self, request, ctx):
        last = request.messages[-1]
        said = last["content"] if isinstance(last["content"], str) else last["content"][0].get("text", "")
        used = Usage(7, 3, cached_tokens=2)
        if said == "call":
            for index, city in enumerate(("Oslo", "Rome")):
                yield Delta(tool_call=ToolCall(index, f"call_{index}", "weather"))
                yield Delta(tool_call=ToolCall(index, arguments='{"city":'))
                yield Delta(tool_call=ToolCall(index, arguments=f'"{city}"}}'))
            yield Delta(usage=used, finish="tool_calls")
            return
        if said == "miscall":
            yield Delta(tool_call=ToolCall(0, "call_0", "weather", '{"city": Oslo'))
            yield Delta(usage=used, finish="tool_calls")
            return
        if said == "think":
            yield Delta(reasoning="hm, ")
            yield Delta(reasoning="yes")
            yield Delta(signature="c2ln")
        if said == "break" or (said == "stumble twice" and not self.stumbled):
            self.stumbled = True
            yield Delta(text="half")
            raise ModelError("The parrot broke; ask again.")
        if said in ("auth", "quota", "rate_limit", "overloaded", "too_long", "refused", "timeout"):
            raise ModelError("The parrot will not; ask again.", reason=said, retry_after=600.0)
        if said == "wait":
            await asyncio.sleep(60)
        if said == "repeat":
            said = repr([dict(message) for message in request.messages]) + repr(request.response_format)
        for word in said.split(" "):
            yield Delta(text=word + " ")
            await asyncio.sleep(0.05 if said.startswith("slowly") else 0)
        yield Delta(usage=used, finish="length" if request.max_tokens == 1 else "stop")


@hookimpl
def register_providers():
    return [Parrot()]
'''
ECHO = """
graph  = "echo"
start  = "say"
output = ["answer"]

[input]
question = "text"

[state]
answer = "text?"

[node.say]
use    = "llm"
model  = "parrot"
prompt = "{{ question }}"
save   = "answer"
next   = "end"
"""
TALK = """
graph  = "talk"
start  = "say"
output = ["answer"]

[input]
messages = { type = "list", merge = "messages" }

[state]
answer = "text?"

[node.say]
use    = "llm"
model  = "parrot"
prompt = "{{ messages | size }} messages"
stream = false
save   = "answer"
next   = "end"
"""
PAIR = """
graph  = "pair"
start  = "say"
output = ["answer"]

[input]
one = "text"
two = "text"

[state]
answer = "text?"

[node.say]
use    = "llm"
model  = "parrot"
prompt = "{{ one }} {{ two }}"
save   = "answer"
next   = "end"
"""


def aliases(**used: str) -> dict[str, ModelAlias]:
    """Return the alias `parrot`, and others by the model of a vendor that they use."""
    return {name: ModelAlias.model_validate({"use": [model]}) for name, model in used.items()} | MODELS


def vendors(upstream: LLMockServer) -> PluginsSettings:
    """Return where OpenAI and Anthropic are reached: at a server that plays both."""
    names = ("openai", "anthropic")
    tables = {name: {"api_key": MARKER, "base_url": upstream.base_url(name)} for name in names}
    return PluginsSettings(tables=tables)


@asynccontextmanager
async def answering(
    folder: Path, graphs: Mapping[str, str] = MappingProxyType({"echo": ECHO}), **sections: Any
) -> AsyncIterator[RealHub]:
    """Serve the alias `parrot` and the graph `echo`, or what is given instead."""
    found = RealHub(folder)
    (folder / "plugins" / "parrot.py").write_text(PARROT)
    found.world.write(**graphs)
    await found.serve(**{"models": MODELS, **sections})
    try:
        yield found
    finally:
        await found.stop()
