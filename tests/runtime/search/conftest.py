"""A real search over a temporary workspace."""

from __future__ import annotations

import zlib
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

_PICTURE = b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"


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


@pytest.fixture
def make_pdf() -> Callable[..., bytes]:
    """Give tests `write_pdf`."""
    return write_pdf


def write_pdf(*pages: str | None, title: str = "", streams: tuple[bytes, ...] = ()) -> bytes:
    """Write a PDF by hand: one page a text, its lines below each other; None is a page with a picture.

    `streams`, where they are given, are what the pages hold instead, packed.
    """
    kids = " ".join(f"{6 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Title ({title}) >>".encode(),
        _PICTURE + b" /Length 1 >>\nstream\n0\nendstream",
    ]
    for number, text in enumerate(pages):
        stream = streams[number] if streams else zlib.compress(_drawn(text))
        used = "/XObject << /I1 5 0 R >>" if text is None else "/Font << /F1 3 0 R >>"
        place = f"/Parent 2 0 R /MediaBox [0 0 600 800] /Contents {7 + 2 * number} 0 R"
        objects += [
            f"<< /Type /Page {place} /Resources << {used} >> >>".encode(),
            f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode() + stream + b"\nendstream",
        ]
    file = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(file))
        file += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    size = len(objects) + 1
    table = "0000000000 65535 f \n" + "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer << /Size {size} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{len(file)}\n%%EOF"
    return file + f"xref\n0 {size}\n{table}{trailer}".encode()


def _drawn(text: str | None) -> bytes:
    if text is None:
        return b"/I1 Do"
    lines = "\n".join(f"({line}) Tj T*" for line in text.split("\n"))
    return f"BT /F1 12 Tf 14 TL 50 700 Td\n{lines}\nET".encode("latin-1")
