"""What every address of a hub has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.settings import AuthSettings, HubSettings, Settings
from tests.hub.conftest import running

KIB = 1024


async def test_with_keys_it_listens_on_every_address(tmp_path: Path, settings: Settings) -> None:
    hub = HubSettings(host="0.0.0.0", port=0)
    closed = settings.model_copy(update={"hub": hub, "auth": AuthSettings(mode="keys")})
    async with running(tmp_path, closed) as served:
        assert served.url.startswith("http://127.0.0.1:")
        assert (await served.ask("POST", "/threads/search", {}))[0] == 401
        assert (await served.ask("POST", "/threads/search", {}, headers=served.owner))[0] == 200


# --------------------------------------------------------------------------- what is wrong with a request


async def test_an_unknown_address_and_a_wrong_method_are_told_apart(hub: Any) -> None:
    status, answer = await hub.ask("GET", "/nowhere")
    assert (status, answer["code"]) == (404, "not_found")
    status, answer = await hub.ask("DELETE", "/graphs/echo")
    assert (status, answer["error"]["code"]) == (405, "invalid_argument")


async def test_a_body_over_the_bound_is_too_large(hub: Any) -> None:
    body = b'{"text": "' + b"x" * (2 * KIB * KIB) + b'"}'
    status, answer = await hub.ask("POST", "/graphs/echo", data=body)
    assert (status, answer["error"]["code"]) == (413, "too_large")
    assert "1024 KiB" in answer["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"{oops",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b'{"text": ' + b"[" * 100_000,
        b'{"text": ' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"text": "\\ud800"}',
        b'{"text": 1e400}',
    ],
)
async def test_whatever_is_no_json_object_is_refused_with_a_sentence(hub: Any, body: bytes) -> None:
    status, answer = await hub.ask("POST", "/graphs/echo", data=body)
    assert (status, answer["error"]["code"]) == (422, "invalid_argument")
    assert answer["error"]["message"].endswith(".")


async def test_an_answer_names_its_request(hub: Any) -> None:
    async with hub.client.get("/livez", headers={"X-Request-Id": "mine"}) as answer:
        assert answer.headers["X-Request-Id"] == "mine"
    async with hub.client.get("/livez", headers={"X-Request-Id": "x" * 65}) as answer:
        assert len(answer.headers["X-Request-Id"]) == 32
