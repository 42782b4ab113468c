"""The search process: it alone writes the index, embeds documents and opens Chroma; the hub only asks.

Started as `python -m runtime.search.process` by `runtime.search.child`; frames come in on standard
input and go out on standard output.  When its input ends, the hub is gone and so is it, at once:
what is stored is whole at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import inspect
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from runtime.errors import HubbubError, StorageError
from runtime.search.data import IndexProgress, IndexTotals
from runtime.search.ingest import Ingest
from runtime.search.schema import open_writer
from runtime.search.store import Store
from runtime.search.vectors import VectorIndex
from runtime.search.wire import pack, read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

REPORT_EVERY = 0.1
"""Seconds between two reports of progress."""
LOCK_PATIENCE = 30.0
"""Seconds to wait for a former search process of the same folder to be gone."""
NICE = 10


class Hello(msgspec.Struct, frozen=True):
    """The first frame: which workspace this process serves, and under which settings."""

    workspace: str
    var: str
    overrides: dict[str, Any]


class Cancelled(Exception):
    """The one who asked for this indexing no longer wants it."""


class SearchServer:
    """Answers the hub's frames; each index request in a thread of its own, one at work at a time."""

    def __init__(self, hello: Hello, output: BinaryIO) -> None:
        self._hello, self._output = hello, output
        self._var = Path(hello.var)
        self._vectors = VectorIndex(self._var / "chroma")
        self._jobs: dict[int, threading.Event] = {}
        self._opening, self._sending = threading.Lock(), threading.Lock()
        self._reading, self._embedding = threading.Lock(), threading.Lock()
        self._embedder: Any = None
        # Two threads that import the same packages from different ends find them half made.
        self._importing = threading.Lock()
        self._queries = ThreadPoolExecutor(2, "query")

    def serve(self, frames: BinaryIO) -> None:
        """Answer until the hub closes the stream or says "close"."""
        while (frame := read_frame(frames)) is not None and frame["op"] != "close":
            if frame["op"] == "index":
                stop = self._jobs[frame["id"]] = threading.Event()
                job = threading.Thread(target=self._answer, args=(frame, self._index, stop), daemon=True)
                job.start()
            elif frame["op"] == "cancel":
                if stopped := self._jobs.get(frame["id"]):
                    stopped.set()
            elif frame["op"] == "query":
                self._queries.submit(self._answer, frame, self._query)
            else:
                self._queries.submit(self._answer, frame, self._warm)

    def _send(self, id: int, **values: Any) -> None:
        frame = pack({"id": id, **values})
        with self._sending:
            self._output.write(frame)
            self._output.flush()

    def _answer(self, frame: dict[str, Any], work: Any, *more: Any) -> None:
        try:
            self._send(frame["id"], result=work(frame, *more))
        except HubbubError as error:
            self._send(frame["id"], error=str(error))
        except sqlite3.DatabaseError as error:
            path = self._var / "search.db"
            advice = "make room" if "full" in str(error) else "if it stays so, delete it and index again"
            self._send(frame["id"], error=f"The index {path} cannot be written ({error}); {advice}.")
        except Cancelled:
            self._send(frame["id"], error="The indexing was cancelled; start it again to go on.")
        except Exception as error:
            traceback.print_exc()
            self._send(
                frame["id"], error=f"The search process failed ({type(error).__name__}: {error}); try again."
            )
        finally:
            self._jobs.pop(frame["id"], None)

    def _warm(self, frame: dict[str, Any]) -> None:
        with self._importing:
            self._vectors.open()

    def _query(self, frame: dict[str, Any]) -> list[tuple[str, float]]:
        self._warm(frame)
        import numpy as np

        vector = np.frombuffer(frame["vector"], dtype=np.float32)
        return self._vectors.query(frame["name"], vector, frame["count"], frame["keys"])

    def _index(self, frame: dict[str, Any], stopped: threading.Event) -> dict[str, Any]:
        """Read, then embed.  Two requests take turns at each: the second is read while the first embeds."""
        started = time.monotonic()
        be_nice()
        reporter = _Reporter(lambda progress: self._send(frame["id"], progress=msgspec.to_builtins(progress)))

        def stop() -> None:
            if stopped.is_set():
                raise Cancelled

        with self._opening:
            connection = open_writer(self._var / "search.db")
        try:
            store = Store(connection, frame["tenant"], frame["collection"])
            ingest = Ingest(store, Path(self._hello.workspace), reporter.report, stop)
            with self._reading:
                reading = ingest.run(
                    [Path(os.fsdecode(path)) for path in frame["paths"]], prune=frame["prune"]
                )
            if frame["embedder"]:
                with self._embedding:
                    stop()
                    self._warm(frame)
                    with self._importing:
                        from runtime.search.embedding import Embedding

                        embed = self._load_embedder(frame["embedder"], frame["model"])
                    Embedding(store, self._vectors, embed, frame["space"], reporter.report, stop).run()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
        totals = IndexTotals(
            documents=reading.documents,
            passages=reading.passages,
            skipped=reading.skipped,
            removed=reading.removed,
            failed=tuple(reading.failed),
            seconds=time.monotonic() - started,
            mode="hybrid" if frame["embedder"] else "keyword",
        )
        return dict(msgspec.to_builtins(totals))

    def _load_embedder(self, name: str, model: str) -> Any:
        """Load the embedder's plugin alone, and its model; return its `embed` as a plain call."""
        if self._embedder is None:
            from runtime.config import load_settings
            from runtime.extensions.loader import load_plugins

            settings = load_settings(Path(self._hello.workspace), self._hello.overrides)
            registered = load_plugins(settings).get("embedder", name)
            if registered is None:
                raise StorageError(f"The embedder {name} cannot be loaded; see `hubbub plugin list`.")
            self._embedder = registered
        if model:
            try:
                self._embedder.value.load(Path(model))
            except Exception as error:
                raise StorageError(
                    f"The model in {model} cannot be loaded ({error}), so only keyword search is up to date; "
                    "run `hubbub models pull` again, or mend that folder."
                ) from error
        return self._embed

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        from runtime.search.queries import checked

        made: Any = self._embedder.value.embed(texts, None)
        return checked(asyncio.run(made) if inspect.iscoroutine(made) else made, len(texts), self._embedder)


class _Reporter:
    """Passes progress on, but of one phase not more often than is worth a frame."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._phase, self._next = "", 0.0

    def report(self, progress: IndexProgress) -> None:
        """Send this report unless one of the same phase went out a moment ago; the last always goes."""
        now = time.monotonic()
        if progress.phase != self._phase or now >= self._next or progress.done >= progress.total:
            self._phase, self._next = progress.phase, now + REPORT_EVERY
            self._send(progress)


def be_nice() -> None:
    """Give the calling thread a low priority; where threads have none of their own, nothing changes."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def take_folder(var: Path) -> int:
    """Lock the index for this process; StorageError when another one does not let go."""
    var.mkdir(parents=True, exist_ok=True)
    handle = os.open(var / "search.lock", os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise StorageError(f"Another process writes the index in {var}; stop it first.") from None
            time.sleep(0.05)
        else:
            return handle


def main() -> None:
    """Serve the hub on standard input and output."""
    # Ctrl-C in a terminal reaches this process too; only the hub decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    frames = sys.stdin.buffer
    if (first := read_frame(frames)) is None:
        return
    hello = msgspec.convert(first, Hello)
    try:
        take_folder(Path(hello.var))
    except (HubbubError, OSError) as error:
        output.write(pack({"id": 0, "error": str(error)}))
        output.flush()
        return
    output.write(pack({"id": 0, "result": os.getpid()}))
    output.flush()
    with contextlib.suppress(BrokenPipeError):
        SearchServer(hello, output).serve(frames)
    os._exit(0)


if __name__ == "__main__":
    main()
