"""A model alias asks its candidates in order, and gives one whole answer or says why there is none."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidInput, MissingSecret, ModelError, NotFound
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.context import CallContext
from runtime.gateway.gateway import Gateway, GatewayModel
from runtime.gateway.reply import ReplyBuilder
from runtime.ports import Context
from runtime.records import ModelCall, UsageQuery
from runtime.settings import ModelAlias, ModelCandidate, Settings, TelemetrySettings
from runtime.telemetry import Telemetry, get_logger
from runtime.types import ChatRequest, Delta, JsonObject, ToolCall, Usage

REQUEST = ChatRequest("ignored", [{"role": "user", "content": "hello"}])
DONE = Delta(finish="stop", usage=Usage(3, 2, cost_usd=0.5))


class Scripted:
    """A provider that yields what it is given; an exception is raised, a number is waited for."""

    def __init__(self, name: str, *script: Any) -> None:
        self.name, self.script = name, script
        self.asked: list[tuple[ChatRequest, Context]] = []
        self.closed = False

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the script."""
        self.asked.append((request, ctx))
        try:
            for piece in self.script:
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, int | float):
                    await asyncio.sleep(piece)
                else:
                    yield piece
        finally:
            self.closed = True


class Log:
    """Keeps what it is told, and says that nothing was spent before."""

    def __init__(self, record: Callable[[ModelCall], None] = lambda _: None) -> None:
        self.record = record

    async def usage(self, query: UsageQuery) -> list[JsonObject]:
        """Return nothing."""
        return []

    async def spent(self, key: str, first: str) -> float:
        """Return nothing."""
        return 0.0


def registered(provider: Any, missing: MissingSecret | None = None) -> Registered:
    """Return a provider as the loader registers it."""
    info = PluginInfo(
        provider.name, "drop-in", f"plugins/{provider.name}.py", "ready", missing_secret=missing
    )
    return Registered("provider", provider.name, provider, info)


def context() -> CallContext:
    """Return a caller's context with time enough."""

    class Nothing:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    return CallContext(
        tenant="default",
        run="r",
        thread="t",
        idempotency_key="k",
        deadline=time.monotonic() + 20,
        params=None,
        log=get_logger("test"),
        services=cast(Any, Nothing()),
        emitter=lambda delta: None,
    )


def model(
    *providers: Any,
    telemetry: Telemetry | None = None,
    record: Callable[[ModelCall], None] = lambda _: None,
    **limits: Any,
) -> GatewayModel:
    """Return the alias `writer` whose candidates are these providers in order."""
    catalog = Catalog(registered=[registered(provider) for provider in providers])
    use = tuple(ModelCandidate(model=f"{provider.name}:large") for provider in providers)
    alias = ModelAlias(use=use, **{"retries": 0, **limits})
    settings = Settings(workspace=Path(), models={"writer": alias})
    gateway = Gateway(settings, lambda: catalog, telemetry or Telemetry(), Log(record))
    return gateway.model("writer", cast(Context, context()))


async def test_the_first_candidate_answers_and_is_named() -> None:
    first, second = Scripted("one", Delta(text="a "), Delta(text="b"), DONE), Scripted("two", DONE)
    pieces: list[Delta] = []
    reply = await model(first, second).complete(REQUEST, pieces.append)
    assert (reply.text, reply.model, reply.finish, reply.usage.output_tokens) == (
        "a b",
        "one:large",
        "stop",
        2,
    )
    assert [piece.text for piece in pieces] == ["a ", "b", ""]
    assert first.asked[0][0].model == "large"
    assert second.asked == []


@pytest.mark.parametrize(
    "broken",
    [
        [ValueError("out of order")],
        [InvalidInput("No tools here; leave them out.")],
        [Delta(usage=Usage(1, 0)), ConnectionError("gone")],
        [],
        ["no delta at all"],
    ],
    ids=["raises", "refuses", "breaks before content", "ends without a finish", "yields nonsense"],
)
async def test_a_failure_before_the_first_content_goes_to_the_next_candidate(broken: Sequence[Any]) -> None:
    reply = await model(Scripted("one", *broken), Scripted("two", Delta(text="ok"), DONE)).complete(REQUEST)
    assert (reply.text, reply.model) == ("ok", "two:large")


@pytest.mark.parametrize("broken", [[ValueError("cut")], []], ids=["cut", "no finish"])
async def test_a_failure_after_the_first_content_is_never_papered_over(broken: Sequence[Any]) -> None:
    second = Scripted("two", DONE)
    with pytest.raises(ModelError, match="one:large broke off in the middle of its answer"):
        await model(Scripted("one", Delta(text="half"), *broken), second).complete(REQUEST)
    assert second.asked == []


async def test_when_all_fail_each_reason_is_named() -> None:
    with pytest.raises(ModelError) as caught:
        await model(Scripted("one", ValueError("first")), Scripted("two", ValueError("second"))).complete(
            REQUEST
        )
    assert "one:large" in str(caught.value)
    assert "first" in str(caught.value)
    assert "second" in str(caught.value)
    assert "[models.writer] use" in str(caught.value)


async def test_a_refusal_of_all_candidates_stays_a_refusal() -> None:
    with pytest.raises(InvalidInput, match="leave them out"):
        await model(Scripted("one", InvalidInput("No tools here; leave them out."))).complete(REQUEST)


async def test_a_silent_candidate_is_left_after_the_first_token_timeout() -> None:
    silent = Scripted("one", 30)
    reply = await model(silent, Scripted("two", Delta(text="ok"), DONE), first_token_timeout=0.05).complete(
        REQUEST
    )
    assert reply.model == "two:large"
    assert silent.closed


async def test_a_slow_stream_that_has_begun_ends_at_the_attempt_timeout() -> None:
    slow = Scripted("one", Delta(text="half"), 30, DONE)
    with pytest.raises(ModelError, match="broke off"):
        await model(slow, first_token_timeout=10.0, attempt_timeout=0.1).complete(REQUEST)
    assert slow.closed


async def test_all_attempts_together_end_at_the_alias_timeout() -> None:
    later = Scripted("two", DONE)
    with pytest.raises(ModelError, match="one:large"):
        await model(Scripted("one", 30), later, timeout=0.05).complete(REQUEST)
    assert later.asked == []


async def test_a_provider_is_given_the_time_of_its_attempt() -> None:
    provider = Scripted("one", DONE)
    await model(provider, attempt_timeout=5.0).complete(REQUEST)
    assert provider.asked[0][1].deadline <= time.monotonic() + 5


async def test_cancelling_closes_the_stream_and_ends_the_span(tmp_path: Path) -> None:
    traces = tmp_path / "traces.jsonl"
    telemetry = Telemetry(TelemetrySettings(traces=traces))
    provider = Scripted("one", Delta(text="a"), 30)
    begun = asyncio.Event()
    asked = model(provider, telemetry=telemetry).complete(REQUEST, lambda delta: begun.set())
    task = asyncio.create_task(asked)
    await asyncio.wait_for(begun.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await telemetry.aclose()
    assert provider.closed
    assert "chat large" in traces.read_text()


async def test_a_consumer_that_leaves_early_closes_the_stream() -> None:
    provider = Scripted("one", Delta(text="a"), Delta(text="b"), 30)
    stream = model(provider).stream(REQUEST)
    assert (await anext(stream)).text == "a"
    await stream.aclose()
    assert provider.closed


async def test_a_span_says_who_answered_and_not_what(tmp_path: Path) -> None:
    traces = tmp_path / "traces.jsonl"
    telemetry = Telemetry(TelemetrySettings(traces=traces))
    await model(Scripted("one", Delta(text="a secret answer"), DONE), telemetry=telemetry).complete(REQUEST)
    await telemetry.aclose()
    text = traces.read_text()
    assert "a secret answer" not in text
    assert "hello" not in text
    assert "one:large" in str(json.loads(text.splitlines()[0]))


def test_skipped_candidates_are_named_with_the_reason() -> None:
    missing = MissingSecret("OPENAI_API_KEY", needed_by="[plugins.openai] api_key")
    catalog = Catalog(
        registered=[registered(Scripted("openai"), missing), registered(Scripted("extractive"))]
    )
    alias = ModelAlias.model_validate({"use": ["openai:gpt", "nobody:x", "extractive"]})
    gateway = Gateway(
        Settings(workspace=Path(), models={"writer": alias}), lambda: catalog, Telemetry(), Log()
    )
    info = gateway.aliases()["writer"]
    assert info.usable == ("extractive",)
    assert "OPENAI_API_KEY" in info.skipped["openai:gpt"]
    assert "no plugin supplies the provider nobody" in info.skipped["nobody:x"]


async def test_without_any_usable_candidate_the_missing_secret_is_named() -> None:
    missing = MissingSecret("OPENAI_API_KEY", needed_by="[plugins.openai] api_key")
    catalog = Catalog(registered=[registered(Scripted("openai"), missing)])
    alias = ModelAlias.model_validate({"use": ["openai:gpt"]})
    gateway = Gateway(
        Settings(workspace=Path(), models={"writer": alias}), lambda: catalog, Telemetry(), Log()
    )
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        await gateway.model("writer", cast(Context, context())).complete(REQUEST)


def test_an_unknown_alias_is_one_sentence() -> None:
    gateway = Gateway(Settings(workspace=Path()), Catalog, Telemetry(), Log())
    with pytest.raises(NotFound, match=r"no model writr; did you mean writer\?"):
        gateway.model("writr", cast(Context, context()))


async def test_tool_calls_are_joined_by_their_index() -> None:
    provider = Scripted(
        "one",
        Delta(tool_call=ToolCall(0, "c1", "search", '{"q"')),
        Delta(tool_call=ToolCall(1, "c2", "other", "{}")),
        Delta(tool_call=ToolCall(0, arguments=': "x"}')),
        Delta(finish="tool_calls"),
    )
    reply = await model(provider).complete(REQUEST)
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("c1", "search", '{"q": "x"}'),
        ("c2", "other", "{}"),
    ]


async def test_every_call_is_recorded_however_it_ended() -> None:
    calls: list[ModelCall] = []
    broken = Scripted("one", Delta(usage=Usage(7)), RuntimeError("it broke"))
    await model(broken, Scripted("two", Delta(text="a"), DONE), record=calls.append).complete(REQUEST)
    assert [(call.model, call.finish, call.usage.input_tokens) for call in calls] == [
        ("one:large", "", 7),
        ("two:large", "stop", 3),
    ]
    assert {(call.tenant, call.thread, call.run, call.alias) for call in calls} == {
        ("default", "t", "r", "writer")
    }
    slow = asyncio.create_task(model(Scripted("slow", 60), record=calls.append).complete(REQUEST))
    await asyncio.sleep(0.05)
    slow.cancel()
    await asyncio.wait([slow])
    assert (calls[2].model, calls[2].finish) == ("slow:large", "")


async def test_tokens_are_counted_by_candidate() -> None:
    telemetry = Telemetry()
    await model(Scripted("one", Delta(text="a"), DONE), telemetry=telemetry).complete(REQUEST)
    assert 'hubbub_tokens_out_total{model="one:large"} 2.0' in telemetry.render().decode()


@given(st.lists(st.builds(Delta, text=st.text(max_size=5), reasoning=st.text(max_size=5)), max_size=20))
def test_a_reply_is_all_its_pieces(deltas: list[Delta]) -> None:
    builder = ReplyBuilder("m")
    for delta in deltas:
        builder.add(delta)
    reply = builder.reply()
    assert reply.text == "".join(delta.text for delta in deltas)
    assert reply.reasoning == "".join(delta.reasoning for delta in deltas)
