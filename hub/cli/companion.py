"""A hub of our own, in a child process that lives exactly as long as the verb that needs it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hub.cli.program import Target
from hub.cli.workspace import Door
from runtime.errors import CannotStart
from runtime.lock import holder

PATIENCE = 60.0
"""Seconds until a hub that does not come up is given up."""
GOODBYE = 30.0
"""Seconds a hub may take to end."""


@contextmanager
def companion(target: Target) -> Iterator[Door]:
    """Start `hubbub serve` on a free port, give its door, end it; CannotStart with the hub's own words.

    It reads our pipe: when this process ends in whatever way, the pipe closes and the hub stops.  A
    Ctrl-C at the terminal is for us alone.
    """
    var = target.settings().var
    var.mkdir(parents=True, exist_ok=True)
    log = var / "companion.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*_program(target), "serve", "--host", "127.0.0.1", "--port", "0", "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _wait(process, var, log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(GOODBYE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program(target: Target) -> Sequence[str]:
    options = [
        option for key, value in target.overrides.items() for option in ("--set", f"{key}={_toml(value)}")
    ]
    return [sys.executable, "-m", "hub.cli", "--workspace", str(target.workspace), *options]


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wait(process: subprocess.Popen[bytes], var: Path, log: Path) -> Door:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        owner = holder(var)
        if owner and owner.pid == process.pid and owner.url:
            return Door(owner.url, owner.token)
        time.sleep(0.02)
    process.kill()
    said = log.read_text(errors="replace").strip().splitlines()
    raise CannotStart(said[-1] if said else f"The hub did not start; see {log}.")
