"""Requests of the hub's own go where the configuration says, whatever a name resolves to."""

from __future__ import annotations

import pytest
from aiohttp import ClientConnectorDNSError, ClientError, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from runtime.egress import Egress
from runtime.errors import InvalidInput
from runtime.outbound import open_client


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
        ((), "http://[2002:7f00:1::]/"),
        ((), "http://224.0.0.1/"),
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
        async with open_client(Egress(())) as client:
            with pytest.raises(ClientConnectorDNSError):
                await client.get(url)
        async with open_client(Egress(("localhost",))) as client, client.get(url) as answer:
            assert answer.status == 404


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "0x7f000001", "127.1"])
async def test_a_redirect_leads_nowhere_else(host: str) -> None:
    reached = []

    async def inside(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    async with TestServer(_routes("/inside", inside)) as server:

        async def away(_: web.Request) -> web.Response:
            raise web.HTTPFound(f"http://{host}:{server.port}/inside")

        async with (
            TestServer(_routes("/", away)) as front,
            open_client(Egress(("localhost",))) as client,
        ):
            with pytest.raises((InvalidInput, OSError, ClientError)):
                await client.get(f"http://localhost:{front.port}/")
    assert reached == []


async def test_one_tenant_does_not_get_the_cookies_of_another() -> None:
    async def give(request: web.Request) -> web.Response:
        answer = web.Response(text=str(dict(request.cookies)))
        answer.set_cookie("session", "acme")
        return answer

    async with TestServer(_routes("/", give)) as server, open_client(Egress(("127.0.0.1",))) as client:
        for _ in range(2):
            async with client.get(server.make_url("/")) as answer:
                assert await answer.text() == "{}"


def _routes(path: str, handler: Handler) -> web.Application:
    app = web.Application()
    app.router.add_get(path, handler)
    return app
