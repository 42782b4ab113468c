"""The official OpenAI SDK comes back to its responses: in the background, cut off, cancelled, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from runtime.settings import AuthSettings
from tests.hub.clients.doors import ECHO, MODELS, answering
from tests.hub.conftest import RealHub

BOTH = pytest.mark.parametrize("model", ["parrot", "echo"])


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RealHub]:
    """A hub with the alias `parrot` and the graph `echo`."""
    async with answering(tmp_path) as found:
        yield found


@pytest.fixture
async def client(hub: RealHub) -> AsyncIterator[AsyncOpenAI]:
    """The SDK, which does not try again."""
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key="any", max_retries=0) as made:
        yield made


async def ended(client: AsyncOpenAI, id: str) -> Any:
    """Ask for a response until it has ended."""
    async with asyncio.timeout(30):
        while (found := await client.responses.retrieve(id)).status in ("queued", "in_progress"):
            await asyncio.sleep(0.02)
    return found


async def seen(stream: Any) -> list[Any]:
    """Return all events of a stream."""
    return [event async for event in stream]


@BOTH
async def test_an_answer_is_there_later(client: AsyncOpenAI, model: str) -> None:
    made = await client.responses.create(model=model, input="one two", metadata={"for": "a test"})
    found = await client.responses.retrieve(made.id)
    assert found.to_dict() == made.to_dict()
    assert found.metadata == {"for": "a test"}


@BOTH
async def test_who_wants_nothing_stored_finds_nothing(client: AsyncOpenAI, model: str) -> None:
    made = await client.responses.create(model=model, input="one two", store=False)
    assert made.output_text
    with pytest.raises(openai.NotFoundError, match="never stored") as caught:
        await client.responses.retrieve(made.id)
    assert caught.value.code == "response_not_found"


@BOTH
async def test_an_answer_is_made_in_the_background(client: AsyncOpenAI, model: str) -> None:
    begun = await client.responses.create(model=model, input="slowly one two", background=True)
    assert (begun.status, begun.background, begun.output) == ("in_progress", True, [])
    found = await ended(client, begun.id)
    assert (found.id, found.status, found.background) == (begun.id, "completed", True)
    assert found.output_text.split() == ["slowly", "one", "two"]


@BOTH
async def test_a_failure_in_the_background_is_told_when_asked(client: AsyncOpenAI, model: str) -> None:
    begun = await client.responses.create(model=model, input="too_long", background=True)
    found = await ended(client, begun.id)
    assert found.status == "failed"
    assert found.error
    assert "The parrot will not" in found.error.message
    assert model == "echo" or found.error.code == "context_length_exceeded"


@BOTH
async def test_a_stream_is_taken_up_anywhere_while_it_is_made(client: AsyncOpenAI, model: str) -> None:
    words = "slowly " + " ".join(str(number) for number in range(6))
    stream = await client.responses.create(model=model, input=words, background=True, stream=True)
    first: list[Any] = []
    async for event in stream:
        first.append(event)
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    id = first[0].response.id
    rest = await seen(
        await client.responses.retrieve(id, stream=True, starting_after=first[-1].sequence_number)
    )
    whole = first + rest
    numbers = [event.sequence_number for event in whole]
    assert numbers == sorted(set(numbers))
    text = "".join(event.delta for event in whole if event.type == "response.output_text.delta")
    assert (whole[-1].type, whole[-1].response.output_text) == ("response.completed", text)
    assert text.split() == words.split()


@BOTH
async def test_a_stream_is_taken_up_from_every_place_after_a_restart(
    hub: RealHub, client: AsyncOpenAI, model: str
) -> None:
    stream = await client.responses.create(model=model, input="a b c d", background=True, stream=True)
    whole = await seen(stream)
    id = whole[0].response.id
    await hub.restart()
    assert (await client.responses.retrieve(id)).to_dict() == whole[-1].response.to_dict()
    for cut, event in enumerate(whole):
        place = event.sequence_number
        rest = await seen(await client.responses.retrieve(id, stream=True, starting_after=place))
        later = [other for other in whole[cut + 1 :] if not other.type.endswith("text.delta")]
        assert [other.to_dict() for other in rest if not other.type.endswith("text.delta")] == [
            other.to_dict() for other in later
        ]
        assert all(other.sequence_number > place for other in rest)
        if cut < 3:  # nothing of the text was seen yet, so all of it comes
            assert "".join(other.delta for other in rest if other.type.endswith("text.delta")) == "a b c d "


@BOTH
async def test_what_is_made_in_the_background_can_be_cancelled(client: AsyncOpenAI, model: str) -> None:
    begun = await client.responses.create(model=model, input="wait", background=True)
    assert (await client.responses.cancel(begun.id)).status == "cancelled"
    assert (await client.responses.retrieve(begun.id)).status == "cancelled"
    assert (await client.responses.cancel(begun.id)).status == "cancelled"
    made = await client.responses.create(model=model, input="hi")
    with pytest.raises(openai.BadRequestError, match="in the background"):
        await client.responses.cancel(made.id)


@BOTH
async def test_a_response_is_deleted(client: AsyncOpenAI, model: str) -> None:
    made = await client.responses.create(model=model, input="hi")
    await client.responses.delete(made.id)
    for gone in (client.responses.retrieve(made.id), client.responses.delete(made.id)):
        with pytest.raises(openai.NotFoundError):
            await gone
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        await client.responses.create(model=model, input="hi", previous_response_id=made.id)


async def test_a_response_goes_with_the_thread_of_its_run(hub: RealHub, client: AsyncOpenAI) -> None:
    made = await client.responses.create(model="echo", input="hi")
    _, threads = await hub.ask("POST", "/threads/search", {})
    assert (await hub.ask("DELETE", f"/threads/{threads[0]['thread_id']}"))[0] == 204
    with pytest.raises(openai.NotFoundError, match="There is no response"):
        await client.responses.retrieve(made.id)


async def test_a_model_that_the_hub_left_in_the_middle_has_failed_and_a_graph_goes_on(
    hub: RealHub, client: AsyncOpenAI
) -> None:
    alias = await client.responses.create(model="parrot", input="wait", background=True)
    graph = await client.responses.create(model="echo", input="slowly " + "word " * 40, background=True)
    await hub.restart()
    left: Any = await client.responses.retrieve(alias.id)
    assert (left.status, left.error.message.split(";")[1]) == ("failed", " ask again.")
    assert (await ended(client, graph.id)).status == "completed"


async def test_only_what_was_made_in_the_background_can_be_streamed_again(client: AsyncOpenAI) -> None:
    made = await client.responses.create(model="parrot", input="hi")
    with pytest.raises(openai.NotFoundError, match="not made in the background"):
        await client.responses.retrieve(made.id, stream=True)
    with pytest.raises(openai.BadRequestError, match="leave store out"):
        await client.responses.create(model="parrot", input="hi", background=True, store=False)


async def test_a_response_is_its_tenants_alone(hub: RealHub, tmp_path: Path) -> None:
    await hub.stop()
    await hub.serve(models=MODELS, auth=AuthSettings(mode="keys"))
    owner = {"Authorization": f"Bearer {hub.world.engine.boot_token}"}
    ids, clients = [], []
    for tenant in ("a", "b"):
        body = {"name": tenant, "tenant": tenant}
        status, made = await hub.ask("POST", "/admin/keys", body, headers=owner)
        assert status in (200, 201), made
        clients.append(AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=made["key"], max_retries=0))
        ids.append((await clients[-1].responses.create(model="parrot", input=f"secret of {tenant}")).id)
    assert "secret of a" in (await clients[0].responses.retrieve(ids[0])).output_text
    for asked in (
        clients[1].responses.retrieve(ids[0]),
        clients[1].responses.cancel(ids[0]),
        clients[1].responses.delete(ids[0]),
    ):
        with pytest.raises(openai.NotFoundError):
            await asked
    with pytest.raises(openai.BadRequestError, match="There is no response"):
        await clients[1].responses.create(model="parrot", input="repeat", previous_response_id=ids[0])
    for each in clients:
        await each.close()


async def test_a_step_that_began_its_words_anew_ends_the_stream_and_the_whole_answer_is_there_later(
    hub: RealHub, client: AsyncOpenAI
) -> None:
    again = ECHO.replace('"echo"', '"again"').replace("next   =", "retry  = 1\nnext   =")
    hub.world.write(again=again)
    await hub.world.engine.graphs.edited({"again"})
    events = await seen(await client.responses.create(model="again", input="stumble twice", stream=True))
    assert (events[-1].type, events[-1].code) == ("error", "restarted")
    found = await ended(client, events[0].response.id)
    assert (found.status, found.output_text.split()) == ("completed", ["stumble", "twice"])
    told = await seen(await client.responses.retrieve(found.id, stream=True))
    assert told[-1].type == "response.completed"
    assert told[-1].response.output_text.split() == ["stumble", "twice"]
