"""Names and pages: what a browser that was lured here sends is refused, on loopback too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.origins import Origins

HERE = "127.0.0.1:8765"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "hub.example.com", "hub.example.com."],
)
def test_its_own_names_are_known_with_any_port(host: str) -> None:
    assert Origins("127.0.0.1", ["hub.example.com"], []).knows_host(host, "")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "hub.example.com@evil",
        "[::1",
        "192.0.2.2",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not Origins("127.0.0.1", ["hub.example.com"], []).knows_host(host, "127.0.0.1")


def test_the_address_at_which_a_connection_came_in_is_known() -> None:
    origins = Origins("0.0.0.0", [], [])
    assert origins.knows_host("192.0.2.2:8765", "192.0.2.2")
    assert origins.knows_host("192.0.2.2:8765", "::ffff:192.0.2.2")
    assert not origins.knows_host("192.0.2.3:8765", "192.0.2.2")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8765", True),
        ("https://app.example.com", True),
        ("HTTPS://APP.example.com", True),
        ("http://127.0.0.1:8766", False),
        ("http://127.0.0.1", False),
        ("http://localhost:8765", False),
        ("http://app.example.com", False),
        ("https://app.example.com.evil", False),
        ("null", False),
        ("", False),
        ("http://127.0.0.1:port", False),
        ("file://", False),
    ],
)
def test_a_page_of_its_own_or_a_listed_one_may_talk_to_it(origin: str, allowed: bool) -> None:
    assert Origins("127.0.0.1", [], ["https://app.example.com/"]).allows(origin, HERE) is allowed


@given(st.text(), st.text())
def test_any_text_as_origin_or_host_is_judged(origin: str, host: str) -> None:
    origins = Origins("127.0.0.1", [], [])
    assert origins.allows(origin, HERE) in (True, False)
    assert origins.knows_host(host, host) in (True, False)


# --------------------------------------------------------------------------- over HTTP


async def test_every_address_checks_both(hub: Any) -> None:
    for path in ("/livez", "/healthz", "/metrics", "/assistants/echo", "/nowhere"):
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
            status, answer = await hub.ask("GET", path, headers=headers)
            assert (status, answer["code"]) == (403, "permission_denied")
    assert (await hub.ask("GET", "/livez", headers={"Origin": hub.url}))[0] == 200


async def test_a_preflight_is_answered_for_listed_pages_alone(hub: Any) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    async with hub.client.options("/graphs/echo", headers=headers) as answer:
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
