"""Finding and pulling models."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from runtime.errors import InvalidInput, NotFound, StorageError
from runtime.search import models
from runtime.search.models import ModelFile, find_model, pull_model

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Store:
    """A file server that counts, can cut a download short, and can serve something else."""

    def __init__(self) -> None:
        self.url = ""
        self.cut = 0
        self.content = CONTENT
        self.ranges: list[str | None] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.ranges.append(request.headers.get("Range"))
        if request.path != "/m/weights.bin":
            raise web.HTTPNotFound
        start = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        if start >= len(self.content):
            raise web.HTTPRequestRangeNotSatisfiable
        body = self.content[start:]
        response = web.StreamResponse(
            status=206 if start else 200, headers={"Content-Length": str(len(body))}
        )
        await response.prepare(request)
        if self.cut:
            await response.write(body[: self.cut])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body)
        return response


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setitem(
        models.MODELS, "tiny", (ModelFile("model.bin", ("onnx/w.bin", "weights.bin"), (DIGEST,)),)
    )
    store = Store()
    app = web.Application()
    app.router.add_get("/{path:.*}", store.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    store.url = f"http://127.0.0.1:{runner.addresses[0][1]}/m"
    yield store
    await runner.cleanup()


async def pull(store: Store, target: Path) -> Path:
    return await asyncio.to_thread(pull_model, "tiny", store.url, target=target)


async def test_a_model_is_pulled_checked_and_not_pulled_again(store: Store, tmp_path: Path) -> None:
    folder = await pull(store, tmp_path)
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == ["model.bin"]
    asked = len(store.ranges)
    await pull(store, tmp_path)
    assert len(store.ranges) == asked


async def test_a_broken_download_leaves_no_model_and_goes_on_where_it_stopped(
    store: Store, tmp_path: Path
) -> None:
    store.cut = 300_000
    with pytest.raises(StorageError, match="run the command again"):
        await pull(store, tmp_path)
    assert not (tmp_path / "tiny" / "model.bin").exists()
    store.cut = 0
    folder = await pull(store, tmp_path)
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert store.ranges[-1] is not None


async def test_a_file_that_is_not_the_expected_one_is_thrown_away(store: Store, tmp_path: Path) -> None:
    store.content = b"something else"
    with pytest.raises(StorageError, match="not the file that was expected"):
        await pull(store, tmp_path)
    assert list((tmp_path / "tiny").iterdir()) == []
    store.content = CONTENT
    await pull(store, tmp_path)


async def test_what_cannot_be_reached_is_said_in_a_sentence(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="404"):
        await asyncio.to_thread(pull_model, "tiny", store.url + "/nowhere", target=tmp_path)
    with pytest.raises(StorageError, match="broke off"):
        await asyncio.to_thread(pull_model, "tiny", "http://127.0.0.1:1", target=tmp_path)
    with pytest.raises(InvalidInput):
        pull_model("tiny", "file:///etc", target=tmp_path)
    with pytest.raises(NotFound, match="all-MiniLM-L6-v2"):
        pull_model("huge", target=tmp_path)


async def test_the_real_model_has_the_pinned_hashes(models: Path, tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_static("/", models / "all-MiniLM-L6-v2")
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        folder = await asyncio.to_thread(pull_model, "all-MiniLM-L6-v2", url, target=tmp_path)
    finally:
        await runner.cleanup()
    assert find_model("all-MiniLM-L6-v2", None, tmp_path) == folder


def test_the_configured_folder_goes_before_the_cache_and_half_a_model_is_none(tmp_path: Path) -> None:
    configured, cache = tmp_path / "configured", tmp_path / "cache"
    for folder in (configured, cache):
        (folder / "all-MiniLM-L6-v2").mkdir(parents=True)
        (folder / "all-MiniLM-L6-v2" / "model.onnx").touch()
    assert find_model("all-MiniLM-L6-v2", configured, cache) is None
    (cache / "all-MiniLM-L6-v2" / "tokenizer.json").touch()
    assert find_model("all-MiniLM-L6-v2", configured, cache) == cache / "all-MiniLM-L6-v2"
    (configured / "all-MiniLM-L6-v2" / "tokenizer.json").touch()
    assert find_model("all-MiniLM-L6-v2", configured, cache) == configured / "all-MiniLM-L6-v2"
