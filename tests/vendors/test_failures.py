"""How vendors fail, over real sockets: each failure is one sentence with its reason, without the key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmock.scenarios import Behavior, Fail, StreamFault
from llmock.testing import LLMockServer

from hubbub import Context, ModelError, Provider
from plugins import anthropic, openai
from runtime.vendors import MAX_EVENT, Events, Vendor, retry_after
from tests.vendors.conftest import MARKER
from tests.vendors.test_vocabulary import answer, asked


@pytest.fixture(params=["openai", "anthropic"])
def vendor(request: pytest.FixtureRequest, llmock: LLMockServer) -> Provider:
    """Each vendor in turn, played by llmock."""
    url = llmock.base_url(request.param)
    if request.param == "openai":
        return openai.register_providers(openai.Settings(api_key=MARKER, base_url=url))[0]
    return anthropic.register_providers(anthropic.Settings(api_key=MARKER, base_url=url))[0]


@pytest.mark.parametrize(
    ("fault", "reason", "transient"),
    [
        (Fail(401), "auth", False),
        (Fail(403), "auth", False),
        (Fail(400), "invalid", False),
        (Fail(404), "invalid", False),
        (Fail(400, message="This model's maximum context length is 8192 tokens."), "too_long", False),
        (Fail(429, message="You exceeded your current quota.", code="insufficient_quota"), "quota", False),
        (Fail(429, retry_after=3), "rate_limit", True),
        (Fail(500), "unavailable", True),
        (Fail(529), "overloaded", True),
        (StreamFault("disconnect", after_chunks=0), "broken", True),
        (StreamFault("disconnect", after_chunks=3), "broken", True),
        (StreamFault("malformed", after_chunks=3), "broken", True),
    ],
    ids=str,
)
async def test_each_failure_has_its_reason(
    vendor: Provider, ctx: Context, llmock: LLMockServer, fault: Behavior, reason: str, transient: bool
) -> None:
    llmock.state.scenarios.add(fault)
    with pytest.raises(ModelError) as caught:
        await answer(vendor, asked("hello"), ctx)
    assert (caught.value.reason, caught.value.transient) == (reason, transient)
    if asked_to_wait := getattr(fault, "retry_after", None):
        assert caught.value.retry_after == asked_to_wait
    assert str(caught.value).endswith(".")
    assert MARKER not in str(caught.value)
    assert len(llmock.state.journal.records(wait=2)) == 1, "the SDK tried again by itself"


async def test_an_answer_that_just_ends_has_no_finish(
    vendor: Provider, ctx: Context, llmock: LLMockServer
) -> None:
    llmock.state.scenarios.add(StreamFault("truncate", after_chunks=3))
    reply, _ = await answer(vendor, asked("hello"), ctx)
    assert reply.finish == ""


async def test_nothing_there_is_one_sentence(ctx: Context) -> None:
    provider = openai.register_providers(openai.Settings(api_key=MARKER, base_url="http://127.0.0.1:9/v1"))[0]
    with pytest.raises(ModelError, match="OpenAI cannot be reached") as caught:
        await answer(provider, asked("hello"), ctx)
    assert caught.value.reason == "unavailable"


def test_services_that_speak_openais_language_are_providers_of_their_own() -> None:
    settings = openai.Settings(
        api_key="", compatible={"local": openai.Compatible(base_url="http://127.0.0.1:9")}
    )
    assert [provider.name for provider in openai.register_providers(settings)] == ["local"]


def test_a_vendors_words_about_the_key_are_not_passed_on() -> None:
    told = Vendor("X", "[plugins.x] api_key").refusal(401, {"error": {"message": f"Bad key {MARKER[:6]}"}})
    assert str(told) == "X does not accept the key (401); put a valid one into [plugins.x] api_key."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
    ],
    ids=str,
)
def test_the_wait_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@given(st.lists(st.text(min_size=1).map(lambda text: text.encode().hex()), max_size=5), st.data())
def test_events_are_the_same_however_their_bytes_are_cut(texts: list[str], data: Any) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    raw = "".join(f"event: x{end}: a comment{end}data: {text}{end}{end}" for text in texts).encode()
    events, found = Events(), []
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        found += events.feed(raw[:size])
        raw = raw[size:]
    assert [one.decode() for one in found] == texts


def test_an_event_without_an_end_is_refused() -> None:
    events = Events()
    events.feed(b"x" * MAX_EVENT)
    with pytest.raises(ValueError, match="4 MiB"):
        events.feed(b"x")
