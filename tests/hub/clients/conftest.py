"""A line to the hub that can be cut, and the vendors that it asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from llmock.testing import LLMockServer


@pytest.fixture(scope="module")
def upstream() -> Iterator[LLMockServer]:
    """A server that plays OpenAI and Anthropic."""
    with LLMockServer() as server:
        yield server


class Line:
    """Passes bytes between clients and a hub."""

    def __init__(self, hub: str) -> None:
        self._hub, self._open = urlsplit(hub), set[asyncio.StreamWriter]()
        self.url = ""

    async def serve(self) -> asyncio.Server:
        """Begin."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    def cut(self) -> int:
        """Break all connections; returns how many there were."""
        for writer in (broken := list(self._open)):
            writer.transport.abort()
        self._open.clear()
        return len(broken) // 2

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._hub.hostname, self._hub.port)
        self._open |= {writer, up_writer}
        await asyncio.gather(self._pass(reader, up_writer), self._pass(up_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()


@pytest.fixture
async def line(hub: Any) -> AsyncIterator[Line]:
    """A line to the hub."""
    found = Line(hub.url)
    server = await found.serve()
    yield found
    server.close()
    found.cut()
