"""Opening the port, and what every address has in common."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from hub.app import serve
from hub.origins import is_loopback
from runtime.errors import CannotStart
from runtime.settings import AuthSettings, HubSettings, Settings
from tests.hub.conftest import running, scripted_engine

KIB = 1024


async def refused(folder: Path, settings: Settings, **address: Any) -> str:
    """Try to serve; return why not."""
    engine = await scripted_engine(folder, settings)
    try:
        with pytest.raises(CannotStart) as found:
            await serve(engine, **address)  # type: ignore[arg-type]
    finally:
        await engine.aclose()
    return str(found.value)


async def test_a_port_in_use_is_one_sentence_with_a_remedy(tmp_path: Path, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await refused(tmp_path, settings, port=port)
    assert (
        said
        == f"Port {port} of 127.0.0.1 is in use by another program; choose one with --port (0: a free one)."
    )


async def test_an_address_that_is_not_ours_is_named(tmp_path: Path, settings: Settings) -> None:
    closed = settings.model_copy(update={"auth": AuthSettings(mode="keys")})
    for host in ("203.0.113.7", "no-such-host.invalid"):
        assert f"{host} is no address of this machine" in await refused(tmp_path, closed, host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.2", "example.com"])
async def test_an_open_hub_does_not_listen_beyond_loopback(
    tmp_path: Path, settings: Settings, host: str
) -> None:
    assert "does not start without authentication" in await refused(tmp_path, settings, host=host)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_what_other_machines_cannot_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


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
