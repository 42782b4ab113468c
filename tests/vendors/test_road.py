"""The whole road against servers that break on demand, which then say how well it behaved."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from llmock.scenarios import Fail, StreamFault
from llmock.testing import LLMockServer
from llmock.verdict import judge

from hubbub import ChatRequest, Context, ModelError
from plugins import anthropic, openai
from runtime.extensions.catalog import Catalog
from runtime.extensions.context import CallContext
from runtime.gateway.gateway import Gateway, GatewayModel
from runtime.settings import Settings
from runtime.telemetry import Telemetry
from tests.runtime.gateway.test_gateway import Log, registered
from tests.vendors.conftest import MARKER, Endless

REQUEST = ChatRequest("", [{"role": "user", "content": "hello"}])


def writer(ctx: CallContext, *providers: Any, **limits: Any) -> GatewayModel:
    """Return the alias `writer` of these providers."""
    catalog = Catalog(registered=[registered(provider) for provider in providers])
    use = [f"{provider.name}:gpt-4o" for provider in providers]
    settings = Settings.model_validate({"workspace": Path(), "models": {"writer": {"use": use, **limits}}})
    return Gateway(settings, lambda: catalog, Telemetry(), Log()).model("writer", cast(Context, ctx))


@pytest.fixture
def vendors(llmock: LLMockServer) -> list[Any]:
    """OpenAI and Anthropic, played by llmock."""
    own = openai.Settings(api_key=MARKER, base_url=llmock.base_url("openai"))
    other = anthropic.Settings(api_key=MARKER, base_url=llmock.base_url("anthropic"))
    return [openai.register_providers(own)[0], anthropic.register_providers(other)[0]]


@pytest.mark.parametrize(
    "faults",
    [
        [Fail(429, retry_after=1)],
        [Fail(500), Fail(503)],
        [Fail(529)],
        [StreamFault("disconnect", after_chunks=0)],
        [StreamFault("truncate", after_chunks=0)],
        [StreamFault("malformed", after_chunks=0)],
    ],
    ids=str,
)
async def test_faults_before_the_first_content_stay_unseen_and_the_judge_is_content(
    vendors: list[Any], ctx: CallContext, llmock: LLMockServer, faults: list[Any]
) -> None:
    llmock.state.scenarios.add(*faults)
    reply = await writer(ctx, vendors[0]).complete(REQUEST)
    assert (reply.model, reply.finish) == ("openai:gpt-4o", "stop")
    assert reply.usage.cost_usd
    judge(llmock.state.journal.records(wait=2)).assert_ok(strict=True)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_errors_that_stay_are_asked_of_the_next_vendor_at_once(
    vendors: list[Any], ctx: CallContext, llmock: LLMockServer, status: int
) -> None:
    llmock.state.scenarios.add(Fail(status))
    assert (await writer(ctx, *vendors).complete(REQUEST)).model == "anthropic:gpt-4o"
    assert [record.path for record in llmock.state.journal.records(wait=2)] == [
        "/v1/chat/completions",
        "/anthropic/v1/messages",
    ]


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
@pytest.mark.parametrize("index", [0, 1], ids=["openai", "anthropic"])
async def test_a_break_after_the_first_content_is_never_papered_over(
    vendors: list[Any], ctx: CallContext, llmock: LLMockServer, kind: Any, index: int
) -> None:
    llmock.state.scenarios.add(StreamFault(kind, after_chunks=5))
    with pytest.raises(ModelError, match="broke off in the middle of its answer"):
        await writer(ctx, vendors[index], vendors[1 - index]).complete(REQUEST)
    assert len(llmock.state.journal.records(wait=2)) == 1


async def test_a_stream_that_stalls_ends_at_its_time(
    vendors: list[Any], ctx: CallContext, llmock: LLMockServer
) -> None:
    llmock.state.scenarios.add(StreamFault("stall", after_chunks=0, stall_seconds=60))
    limits = {"first_token_timeout": 2, "retries": 0}
    assert (await writer(ctx, *vendors, **limits).complete(REQUEST)).model == "anthropic:gpt-4o"


async def test_who_leaves_ends_the_upstream_request(ctx: CallContext, endless: Endless) -> None:
    provider = openai.register_providers(openai.Settings(api_key=MARKER, base_url=endless.url))[0]
    begun = asyncio.Event()
    task = asyncio.create_task(writer(ctx, provider).complete(REQUEST, lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    await asyncio.wait([task])
    async with asyncio.timeout(5):
        await endless.left.wait()
