"""`POST /graphs/NAME`, as any program uses it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest


def frames(text: str) -> list[tuple[str, Any]]:
    """Return (event, data) of each frame of an event stream."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


async def test_the_answer_is_exactly_the_output_and_headers_name_run_and_thread(hub: Any) -> None:
    async with hub.client.post("/graphs/echo", json={"text": "a b"}) as answer:
        assert answer.status == 200
        assert await answer.json() == {"answer": "a b"}
        run, thread = answer.headers["Hubbub-Run"], answer.headers["Hubbub-Thread"]
    status, found = await hub.ask("GET", f"/threads/{thread}/runs/{run}")
    assert (status, found["status"]) == (200, "success")


async def test_a_stream_has_the_text_as_it_is_made_and_the_output_last(hub: Any) -> None:
    headers = {"Accept": "text/event-stream"}
    async with hub.client.post("/graphs/echo", json={"text": "a b"}, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        told = frames(await answer.text())
        run = answer.headers["Hubbub-Run"]
    assert told[0][0] == "run"
    assert (told[0][1]["run"], told[0][1]["graph"]) == (run, "echo")
    assert "".join(data["text"] for event, data in told if event == "text") == "a b "
    assert {data["step"] for event, data in told if event == "text"} == {"answer"}
    assert ("custom", {"name": "noticed", "payload": {"words": 1}}) in told
    assert told[-1] == ("output", {"answer": "a b"})


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/graphs/echo", {}, 422, "invalid_argument"),
        ("/graphs/echo", {"text": 3}, 422, "invalid_argument"),
        ("/graphs/nope", {"text": "a"}, 404, "not_found"),
        ("/graphs/fail", {"text": "a"}, 502, "model_error"),
        ("/graphs/late", {"text": "a"}, 504, "limit_exceeded"),
    ],
)
async def test_an_error_has_a_status_a_code_and_a_sentence(
    hub: Any, path: str, body: Any, status: int, code: str
) -> None:
    found, answer = await hub.ask("POST", path, body)
    assert (found, answer["error"]["code"]) == (status, code)
    assert set(answer["error"]) >= {"code", "message", "step", "run", "trace_id"}
    assert answer["error"]["message"].endswith((".", "?"))


async def test_a_stream_of_a_failed_run_ends_with_its_error(hub: Any) -> None:
    headers = {"Accept": "text/event-stream"}
    async with hub.client.post("/graphs/fail", json={"text": "a"}, headers=headers) as answer:
        event, data = frames(await answer.text())[-1]
    assert (event, data["error"]["code"], data["error"]["step"]) == ("error", "model_error", "answer")


async def test_the_same_idempotency_key_is_the_same_run(hub: Any) -> None:
    async def send() -> str:
        headers = {"Idempotency-Key": "once"}
        async with hub.client.post("/graphs/echo", json={"text": "a"}, headers=headers) as answer:
            assert answer.status == 200
            return str(answer.headers["Hubbub-Run"])

    assert len(set(await asyncio.gather(*(send() for _ in range(5))))) == 1


async def test_a_run_whose_caller_left_goes_on(hub: Any) -> None:
    headers = {"Accept": "text/event-stream"}
    async with hub.client.post("/graphs/wait", json={"text": "a"}, headers=headers) as answer:
        run, thread = answer.headers["Hubbub-Run"], answer.headers["Hubbub-Thread"]
    hub.engine.worker.release.set()
    assert (await hub.ask("GET", f"/threads/{thread}/runs/{run}/join"))[1] == {"text": "a", "answer": "a"}
