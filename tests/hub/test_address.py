"""Taking an address, and why not."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from hub.address import take_address
from hub.origins import is_loopback
from runtime.errors import CannotStart
from runtime.settings import AuthSettings, Settings


@pytest.fixture
def closed(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": AuthSettings(mode="keys")})


def refused(settings: Settings, **address: Any) -> str:
    """Try to take an address; return why not."""
    with pytest.raises(CannotStart) as found:
        take_address(settings, **address)
    return str(found.value)


def test_a_port_in_use_is_one_sentence_with_a_remedy(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(settings, port=port)
    remedy = "choose one with --port (0: a free one)."
    assert said == f"Port {port} of 127.0.0.1 is in use by another program; {remedy}"


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_named(closed: Settings, host: str) -> None:
    assert f"{host} is no address of this machine" in refused(closed, host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.2", "example.com"])
def test_an_open_hub_does_not_listen_beyond_loopback(settings: Settings, host: str) -> None:
    assert "does not start without authentication" in refused(settings, host=host)


def test_a_free_port_is_the_same_for_every_address_of_a_host(settings: Settings) -> None:
    address = take_address(settings, "localhost", 0)
    assert address.port > 0
    assert {each.getsockname()[1] for each in address.sockets} == {address.port}
    assert address.url == f"http://localhost:{address.port}"
    address.close()
    again = take_address(settings, "127.0.0.1", address.port)
    again.close()


def test_every_address_is_reached_at_loopback(closed: Settings) -> None:
    address = take_address(closed, "0.0.0.0", 0)
    assert address.url == f"http://127.0.0.1:{address.port}"
    address.close()


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
