"""Opens models in a process of its own first: a damaged file ends that process, not the hub."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import orjson

from runtime.errors import HubbubError

PATIENCE = 60.0
"""Seconds that one model has to be opened and to answer once."""

_CRASHED = "it ended the process that tried to open it, so the file is damaged; copy it again, whole"
_ENDLESS = "it was not opened in time, or did not answer once; export a smaller model"


async def tried(folders: Sequence[Path]) -> AsyncGenerator[tuple[Path, str]]:
    """Yield each folder and why it cannot be opened, "" when it can; a crash does not stop the rest."""
    left = list(folders)
    while left:
        reason = _CRASHED
        async with aclosing(_answers(left)) as answers:
            try:
                async for said in answers:
                    yield left.pop(0), said
            except TimeoutError:
                reason = _ENDLESS
        if left:  # the process has ended with this one
            yield left.pop(0), reason


async def _answers(folders: Sequence[Path]) -> AsyncGenerator[str]:
    """Yield what the process says of the folders, in their order, for as long as it lives.

    TimeoutError when it says nothing for too long.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        str(int(PATIENCE)),
        *map(str, folders),
        stdin=asyncio.subprocess.PIPE,  # it ends when this does
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin
    assert process.stdout
    try:
        for _ in range(len(folders)):
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
            if not line.endswith(b"\n"):
                return
            yield orjson.loads(line)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.stdin.close()
        await process.wait()


def _main(patience: int, folders: Sequence[str]) -> None:
    """Write a line for each folder: the reason, as JSON."""
    import os
    import resource
    import signal
    import threading

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
    # Whatever the libraries print goes nowhere: the real output carries the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    # LightGBM does without these, and takes four times as long to import with them.
    sys.modules.update(dict.fromkeys(("pandas", "sklearn", "matplotlib", "pyarrow", "cffi", "dask")))  # type: ignore[arg-type]
    from runtime.inference.opening import open_version

    for folder in folders:
        signal.alarm(2 * patience)  # the end also of what keeps that thread from running
        try:
            open_version(Path(folder), 1)
            reason = ""
        except HubbubError as error:
            reason = error.message
        except (MemoryError, OSError) as error:
            reason = f"it cannot be opened ({str(error) or type(error).__name__}); export a smaller model"
        answers.write(orjson.dumps(reason) + b"\n")


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
