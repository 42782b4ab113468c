"""`hubbub serve --langgraph`: an application that knows nothing of Hubbub, served as it is."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.lock import Holder
from tests.programs import Program

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Program]
Wait = Callable[[Path, Program], Holder]


def ask(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_a_folder_with_a_langgraph_json_is_all_it_takes(
    start: Start, hubbub: Run, application: Path, wait_until_served: Wait
) -> None:
    folder = application.parent
    process = start("--workspace", folder, "serve", "--port", "0", "--langgraph", application)
    owner = wait_until_served(folder, process)
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[1].startswith(f'Ask:   curl -s {owner.url}/graphs/chat -d \'{{"messages"')
    found = ask(f"{owner.url}/assistants/search", {"limit": 100})
    assert {"chat", "agent", "double"} <= {each["assistant_id"] for each in found}
    assert ask(f"{owner.url}/graphs/double", {"number": 4}) == {"output": 8}
    done = hubbub("--workspace", folder, "run", "double", "--input", '{"number": 5}')
    assert (done.returncode, json.loads(done.stdout)) == (0, {"output": 10})
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_what_is_wrong_is_one_sentence_with_file_and_key(hubbub: Run, application: Path) -> None:
    application.write_text('{"graphs": {"chat": "./agents.py:caht"}}')
    done = hubbub("--workspace", application.parent, "serve", "--port", "0", "--langgraph", application)
    assert done.returncode == 2
    sentence = f"{application}: graphs.chat: ./agents.py has no variable caht; did you mean chat?"
    assert done.stderr.strip().splitlines()[-1] == sentence


def test_a_graph_is_drawn(hubbub: Run, application: Path) -> None:
    options = ("--workspace", application.parent, "--set", f"graphs.langgraph={application}", "graph")
    text = hubbub(*options, "show", "team").stdout
    assert "  greet\n    -> helper" in text
    assert "helper:tools" in hubbub(*options, "show", "team", "--mermaid").stdout
    assert hubbub(*options, "check").returncode == 0
