"""Requests of the hub's own go where the configuration says, whatever a name resolves to."""

from __future__ import annotations

import pytest
from aiohttp import ClientConnectorDNSError, web
from aiohttp.test_utils import TestServer

from hub.egress import Egress
from runtime.errors import InvalidInput


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ((), "https://example.com/hook"),
        ((), "http://93.184.216.34:8080/"),
        (("127.0.0.1",), "http://127.0.0.1:9/x"),
        (("10.0.0.0/8",), "http://10.1.2.3/"),
        (("::1",), "http://[::1]:9/x"),
        (("*.example.com",), "https://hooks.EXAMPLE.com/"),
    ],
)
def test_what_is_allowed_passes(allow: tuple[str, ...], url: str) -> None:
    assert Egress(allow).check(url) == url


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ((), "http://127.0.0.1/"),
        ((), "http://10.0.0.1/"),
        ((), "http://169.254.169.254/latest"),
        ((), "http://[::1]/"),
        ((), "http://[::ffff:127.0.0.1]/"),
        (("*.example.com",), "https://example.org/"),
        (("*.example.com",), "http://93.184.216.34/"),
        (("10.0.0.0/8",), "http://127.0.0.1/"),
        ((), "ftp://example.com/"),
        ((), "https://user:word@example.com/"),
        ((), "https:///nothing"),
        ((), "http://example.com:99999/"),
        ((), "nonsense"),
    ],
)
def test_what_is_not_allowed_is_refused_with_a_sentence(allow: tuple[str, ...], url: str) -> None:
    with pytest.raises(InvalidInput, match=r"egress|no address"):
        Egress(allow).check(url)


async def test_a_name_that_resolves_to_a_private_address_is_not_reached() -> None:
    async with TestServer(web.Application()) as server:
        url = f"http://localhost:{server.port}/"
        async with Egress(()).session(5) as session:
            with pytest.raises(ClientConnectorDNSError):
                await session.get(url)
        async with Egress(("localhost",)).session(5) as session, session.get(url) as answer:
            assert answer.status == 404
