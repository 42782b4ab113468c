"""The official OpenAI SDK over `client.responses.connect()`: turns, lanes, warm-ups and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.resources.responses import AsyncResponses
from websockets.exceptions import ConnectionClosed, InvalidStatus

from runtime.settings import AuthSettings
from tests.hub.clients.doors import MODELS, answering
from tests.hub.conftest import RealHub

TOOLS: list[Any] = [
    {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RealHub]:
    """A hub with the alias `parrot` and the graph `echo`."""
    async with answering(tmp_path) as found:
        yield found


@pytest.fixture
async def responses(hub: RealHub) -> AsyncIterator[AsyncResponses]:
    """The SDK's responses."""
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key="any", max_retries=0) as made:
        yield made.responses


async def turn(connection: Any, **asked: Any) -> list[Any]:
    """Ask, and return the events of the answer."""
    await connection.response.create(**asked)
    return await heard(connection)


async def heard(connection: Any) -> list[Any]:
    """Return the events until an answer has ended."""
    events: list[Any] = []
    async with asyncio.timeout(20):
        while not events or events[-1].type not in ("response.completed", "response.incomplete", "error"):
            events.append(await connection.recv())
    return events


def text_of(events: list[Any]) -> str:
    """Return the text that came in pieces."""
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


@pytest.mark.parametrize("model", ["parrot", "echo"])
async def test_turns_follow_each_other_on_one_socket(responses: AsyncResponses, model: str) -> None:
    async with responses.connect() as connection:
        for words in ("one two", "three"):
            events = await turn(connection, model=model, input=words)
            assert text_of(events).split() == words.split()
            assert events[-1].response.output_text == text_of(events)
            assert (await responses.retrieve(events[-1].response.id)).output_text == text_of(events)


@pytest.mark.parametrize("store", [True, False])
async def test_a_turn_goes_on_from_the_one_before(responses: AsyncResponses, store: bool) -> None:
    async with responses.connect() as connection:
        first = await turn(connection, model="parrot", input="call", tools=TOOLS, store=store)
        calls = [item for item in first[-1].response.output if item.type == "function_call"]
        results: Any = [
            {"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls
        ]
        second = await turn(
            connection,
            model="parrot",
            input=[*results, {"role": "user", "content": "repeat"}],
            previous_response_id=first[-1].response.id,
            store=store,
        )
        for part in ("'content': 'call'", "'tool_call_id': 'call_1'", "rain"):
            assert part in text_of(second)
    async with responses.connect() as other:
        id = first[-1].response.id
        found = await turn(other, model="parrot", input="hi", previous_response_id=id)
        assert (found[-1].type == "error") is not store
        if not store:
            assert (found[-1].status, found[-1].error.code) == (400, "previous_response_not_found")


async def test_a_warm_up_says_nothing_and_is_gone_on_from(responses: AsyncResponses) -> None:
    async with responses.connect() as connection:
        warm = await turn(
            connection,
            model="parrot",
            input="remember me",
            generate=False,
            store=False,
            instructions="Be kind.",
        )
        assert [event.type for event in warm] == ["response.created", "response.completed"]
        assert warm[-1].response.output == []
        events = await turn(
            connection, model="parrot", input="repeat", previous_response_id=warm[-1].response.id
        )
        assert "remember me" in text_of(events)


async def test_lanes_do_not_wait_for_each_other_and_each_keeps_its_order(responses: AsyncResponses) -> None:
    async with responses.connect() as connection:
        slow = "slowly " + "word " * 20
        await connection.response.create(model="parrot", input=slow, stream_id="slow")
        await connection.response.create(model="parrot", input="after it", stream_id="slow")
        await connection.response.create(model="parrot", input="at once", stream_id="quick")
        ends: list[tuple[str, str]] = []
        while len(ends) < 3:
            event = (await heard(connection))[-1]
            ends.append((event.stream_id, event.response.output_text.strip()))
        assert ends == [("quick", "at once"), ("slow", slow.strip()), ("slow", "after it")]


@pytest.mark.parametrize(
    ("asked", "status", "code", "words"),
    [
        ({"model": "gpt-9", "input": "hi"}, 404, "model_not_found", "no model gpt-9"),
        ({"input": "hi"}, 400, None, "`model` is missing"),
        ({"model": "parrot", "input": "too_long"}, 400, "context_length_exceeded", "The parrot will not"),
        ({"model": "parrot", "input": "refused"}, 400, "content_policy_violation", "The parrot will not"),
        ({"model": "parrot", "input": "hi", "background": True}, 400, None, "leave background out"),
        ({"model": "parrot", "input": "hi", "stream_id": "no space"}, 400, None, "choose another"),
    ],
)
async def test_a_failure_is_an_event_and_the_socket_stays(
    responses: AsyncResponses, asked: dict[str, Any], status: int, code: str | None, words: str
) -> None:
    async with responses.connect() as connection:
        (error,) = await turn(connection, **asked)
        assert (error.type, error.status, error.error.code) == ("error", status, code)
        assert words in error.error.message
        assert text_of(await turn(connection, model="parrot", input="go on")) == "go on "


async def test_an_answer_that_breaks_ends_with_an_error(responses: AsyncResponses) -> None:
    async with responses.connect() as connection:
        events = await turn(connection, model="parrot", input="break")
        assert text_of(events) == "half"
        assert (events[-1].type, events[-1].error.code) == ("error", "incomplete")


async def test_what_is_no_event_is_refused(hub: RealHub) -> None:
    async with hub.client.ws_connect("/v1/responses") as socket:
        for sent, words in (
            ("nonsense", "not JSON"),
            ("[]", "no JSON object"),
            ('{"type": "response.steer"}', "no response.steer here"),
        ):
            await socket.send_str(sent)
            event = await socket.receive_json()
            assert event["type"] == "error"
            assert words in event["error"]["message"]


async def test_who_leaves_ends_what_the_model_is_asked(hub: RealHub, responses: AsyncResponses) -> None:
    async with responses.connect() as connection:
        await connection.response.create(model="parrot", input="wait")
        await asyncio.sleep(0.2)
    async with asyncio.timeout(10):
        while True:
            async with hub.client.get("/metrics") as page:
                if 'hubbub_model_attempts_total{model="parrot",outcome="left"} 1.0' in await page.text():
                    break
            await asyncio.sleep(0.05)


async def test_a_hub_that_stops_answers_first_and_closes_then(
    hub: RealHub, responses: AsyncResponses
) -> None:
    async with responses.connect() as connection:
        await connection.response.create(model="parrot", input="slowly one two three")
        begun = await connection.recv()
        assert begun.type == "response.created"
        stopping = asyncio.create_task(hub.stop())
        events = await heard(connection)
        assert events[-1].type == "response.completed"
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == aiohttp.WSCloseCode.GOING_AWAY
        await stopping
    await hub.serve(models=MODELS)


async def test_a_socket_needs_a_key(hub: RealHub, tmp_path: Path) -> None:
    await hub.stop()
    await hub.serve(models=MODELS, auth=AuthSettings(mode="keys"))
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key="hk_wrong", max_retries=0) as client:
        with pytest.raises(InvalidStatus, match="401"):
            await client.responses.connect().enter()
