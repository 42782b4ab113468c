"""A real search over a temporary workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from runtime.config import load_settings
from runtime.extensions.loader import load_plugins
from runtime.search import IndexRequest, IndexTotals, Search
from runtime.telemetry import Telemetry

OpenSearch = Callable[..., Awaitable[Search]]
IndexAll = Callable[..., Awaitable[IndexTotals]]


@pytest.fixture
async def open_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenSearch]:
    """Open a search on the test's workspace, with the models of a folder or without; closed at the end."""
    async with AsyncExitStack() as stack:

        async def open_search(models: Path | None = None) -> Search:
            monkeypatch.delenv("HUBBUB_MODELS", raising=False)
            if models is not None:
                monkeypatch.setenv("HUBBUB_MODELS", str(models))
            settings = load_settings(tmp_path)
            catalog = load_plugins(settings)
            search = Search(settings, lambda: catalog, Telemetry(settings.telemetry))
            await search.open()
            stack.push_async_callback(search.aclose)
            return search

        yield open_search


async def index_all(
    search: Search, *paths: Path, tenant: str = "default", collection: str = "docs"
) -> IndexTotals:
    """Index to the end and return the totals."""
    told = [
        item async for item in search.index(IndexRequest(tenant, collection, [str(path) for path in paths]))
    ]
    assert told[-1].totals is not None
    return told[-1].totals


@pytest.fixture
def index() -> IndexAll:
    """Give tests `index_all`."""
    return index_all
