"""The lock on a workspace: one process owns its `var/` folder and says where it can be reached.

The operating system's lock on `hubbub.lock` is the truth, and it goes away with the process however that
ends.  The JSON inside only tells others whom to talk to; it is readable by its owner alone, because it
holds the token of this start.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.errors import CannotStart, WorkspaceLocked

FILE = "hubbub.lock"
PATIENCE = 0.25
"""Seconds a new owner keeps trying: `holder` of another process takes the lock for an instant to look."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who owns a workspace.  `url` and `token` are empty until the owner serves (or if it never will)."""

    pid: int
    url: str = ""
    token: str = ""
    leaving: bool = False


class Lock:
    """The ownership of one workspace, until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._write(Holder(os.getpid()))

    def publish(self, url: str, token: str) -> None:
        """Tell the other processes of this user where the owner listens, and what opens its door."""
        self._write(Holder(os.getpid(), url, token))

    def leave(self) -> None:
        """Tell them that the owner stops: whoever comes now is to wait until the workspace is free."""
        self._write(Holder(os.getpid(), leaving=True))

    def release(self) -> None:
        """Give the workspace back; doing so twice is harmless."""
        if self._descriptor < 0:
            return
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = -1

    def _write(self, holder: Holder) -> None:
        text = json.dumps(asdict(holder)).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


def acquire(var: Path) -> Lock:
    """Become the owner of `var`, which is made when it is not there.

    Raises WorkspaceLocked while another process owns it, CannotStart when the folder cannot be written.
    """
    until = time.monotonic() + PATIENCE
    while True:
        descriptor = _open(var)
        if _locked(descriptor, fcntl.LOCK_EX) and _still_there(descriptor, var / FILE):
            return Lock(descriptor)
        os.close(descriptor)
        if time.monotonic() > until:
            raise WorkspaceLocked(_who(var))
        time.sleep(0.01)


def holder(var: Path) -> Holder | None:
    """Return who owns `var`, or None when nobody does.

    Raises WorkspaceLocked when the lock file belongs to another user and cannot be read.
    """
    try:
        descriptor = os.open(var / FILE, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise WorkspaceLocked(
            f"{var / FILE} belongs to another user; run this as the user who serves the workspace."
        ) from error
    try:
        if _locked(descriptor, fcntl.LOCK_SH):
            return None
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _open(var: Path) -> int:
    try:
        var.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(var / FILE, os.O_RDWR | os.O_CREAT, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise CannotStart(
            f"The folder {var} cannot be written ({error.strerror}); "
            "change its permissions, or [storage] path in config.toml."
        ) from error
    return descriptor


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(descriptor: int, file: Path) -> bool:
    """Whether the locked file is the one on disk: someone may have deleted `var` in between."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Holder:
    """Read what the owner wrote; while it is writing (or not Hubbub) nothing is known about it."""
    try:
        values = json.loads(os.pread(descriptor, 4096, 0))
        pid, leaving = int(values["pid"]), bool(values["leaving"])
        return Holder(pid, str(values["url"]), str(values["token"]), leaving)
    except (ValueError, KeyError, TypeError):
        return Holder(0)


def _who(var: Path) -> str:
    owner = holder(var) or Holder(0)
    process = f"process {owner.pid}" if owner.pid else "another process"
    where = f", which serves {owner.url}" if owner.url else ""
    return (
        f"The workspace {var.parent} is in use by {process}{where}; "
        "stop that one, or name another folder with --workspace."
    )
