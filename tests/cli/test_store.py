"""What the hub said it stored is there after it was killed."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

from runtime.lock import Holder
from tests.programs import Program

Start = Callable[..., Program]
Wait = Callable[[Path, Program], Holder]


def _ask(url: str, method: str, path: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=30) as answer:
        raw = answer.read()
        return json.loads(raw) if raw else None


def test_every_item_of_an_answered_put_outlives_kill_9(
    start: Start, wait_until_served: Wait, workspace: Path
) -> None:
    def serve() -> tuple[Program, str]:
        process = start("--workspace", workspace, "serve", "--port", "0")
        return process, wait_until_served(workspace, process).url

    stored = 0
    for _ in range(2):
        process, url = serve()
        for _ in range(20):
            item = {"namespace": ["kept"], "key": str(stored), "value": {"number": stored}}
            assert _ask(url, "PUT", "/store/items", item) is None
            stored += 1
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    _, url = serve()
    found = _ask(url, "POST", "/store/items/search", {"namespace_prefix": ["kept"], "limit": 1000})
    assert isinstance(found, dict)
    assert sorted(item["value"]["number"] for item in found["items"]) == list(range(stored))
