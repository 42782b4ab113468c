"""`hubbub serve`: one owner, clear refusals, an orderly end."""

import os
import shlex
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.lock import Holder, holder
from tests.programs import Program

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Program]
Wait = Callable[[Path, Program], Holder]


def test_three_lines_say_what_to_try(start: Start, workspace: Path, wait_until_served: Wait) -> None:
    process = start("--workspace", workspace, "serve", "--port", "0")
    owner = wait_until_served(workspace, process)
    lines = [process.stdout.readline() for _ in range(3)]
    assert owner.url in lines[0]
    for line, begin in zip(lines[1:], ("Ask:   ", "Talk:  "), strict=True):
        done = subprocess.run(
            shlex.split(line.removeprefix(begin)), input="", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "found nothing" in done.stdout or "Talking to ask" in done.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert holder(workspace / "var") is None


def test_a_library_that_crashes_the_hub_is_found_by_what_was_at_work(
    start: Start, workspace: Path, wait_until_served: Wait
) -> None:
    process = start("--workspace", workspace, "serve", "--port", "0")
    wait_until_served(workspace, process)
    process.send_signal(signal.SIGSEGV)
    _, said = process.communicate(timeout=30)
    assert "Fatal Python error: Segmentation fault" in said
    assert "most recent call first" in said


def test_without_a_graph_that_takes_a_line_of_text_it_says_something_else(
    start: Start, workspace: Path, wait_until_served: Wait
) -> None:
    for graph in (workspace / "graphs").glob("*.toml"):
        if graph.stem not in ("ask", "slow"):
            graph.unlink()
            continue
        graph.write_text(graph.read_text().replace("question = ", 'number = "int"\nquestion = '))
    process = start("--workspace", workspace, "serve", "--port", "0")
    wait_until_served(workspace, process)
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[1].endswith("graph check\n")
    assert lines[2].endswith("run GRAPH --input JSON\n")


def test_a_hub_that_asks_for_keys_says_so_in_what_to_try(
    start: Start, workspace: Path, wait_until_served: Wait
) -> None:
    process = start("--workspace", workspace, "--set", "auth.mode=keys", "serve", "--port", "0")
    wait_until_served(workspace, process)
    process.stdout.readline()
    assert "'Authorization: Bearer KEY'" in process.stdout.readline()


def test_a_hub_is_ready_when_it_says_where_it_listens(served: Any) -> None:
    with urllib.request.urlopen(f"{served.owner.url}/readyz") as answer:
        assert answer.status == 200


def test_a_second_hub_is_refused_and_the_first_goes_on(hubbub: Run, served: Any) -> None:
    done = hubbub("--workspace", served.workspace, "serve", "--port", "0")
    assert done.returncode == 2
    assert f"process {served.process.pid}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    with urllib.request.urlopen(f"{served.owner.url}/readyz") as answer:
        assert answer.status == 200


def test_a_port_in_use_is_one_sentence(hubbub: Run, workspace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = hubbub("--workspace", workspace, "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert holder(workspace / "var") is None


def test_a_start_that_is_refused_touches_no_run(
    hubbub: Run, start: Start, workspace: Path, wait_until_served: Wait
) -> None:
    """Else a hub that is started again and again beside a taken port would do the same step each time."""
    first = start("--workspace", workspace, "serve", "--port", "0")
    wait_until_served(workspace, first)
    running = start(
        "--workspace", workspace, "run", "slow", "--thread", "nap", "--input", '{"question": "?"}'
    )
    while "running slow" not in hubbub("--workspace", workspace, "events", "nap").stdout:
        assert running.poll() is None
    first.kill()
    first.wait()
    before = hubbub("--workspace", workspace, "events", "nap", "--json").stdout
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = hubbub("--workspace", workspace, "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert hubbub("--workspace", workspace, "events", "nap", "--json").stdout == before


def test_an_open_hub_is_for_this_machine_alone(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "authentication" in done.stderr


def test_a_killed_hub_leaves_the_workspace_to_the_next(
    start: Start, workspace: Path, wait_until_served: Wait
) -> None:
    first = start("--workspace", workspace, "serve", "--port", "0")
    wait_until_served(workspace, first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = start("--workspace", workspace, "serve", "--port", "0")
    assert wait_until_served(workspace, second).pid == second.pid


def test_a_companion_ends_with_whoever_started_it(
    start: Start, workspace: Path, wait_until_served: Wait
) -> None:
    process = start("--workspace", workspace, "serve", "--port", "0", "--until-stdin-closes")
    wait_until_served(workspace, process)
    process.stdin.close()
    assert process.wait(30) == 0
