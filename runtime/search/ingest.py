"""Reading files into the store: what is new or changed goes in, what vanished goes out, trouble is listed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from runtime.search.data import IndexProgress
from runtime.search.documents import Fingerprint, check, find_documents, look, read_document
from runtime.search.formats.source import NotReadable
from runtime.search.store import Known, Store

BATCH = 500
"""Pieces a transaction; what is committed can be searched at once."""
MAX_COMPLAINTS = 20
"""Lines of one file that are listed; the rest are counted."""

Report = Callable[[IndexProgress], None]
Stop = Callable[[], None]
"""Raises when the work is to end; called between batches."""


@dataclass
class Reading:
    """What has been read so far."""

    documents: int = 0
    passages: int = 0
    skipped: int = 0
    removed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    shown: str


class Ingest:
    """One reading of files and folders into one collection."""

    def __init__(self, store: Store, workspace: Path, report: Report, stop: Stop) -> None:
        self._store, self._workspace = store, workspace
        self._report, self._stop = report, stop
        self._done = self._total = 0
        self.reading = Reading()

    def run(self, paths: Sequence[Path], *, prune: bool) -> Reading:
        """Bring the collection up to date with these files and folders."""
        roots = [path.resolve() for path in paths]
        known = self._store.documents()
        blind: list[str] = []
        found = self._find(roots, known, blind, prune=prune)
        self._total = sum(seen.size for _, seen in found)
        for item, seen in found:
            self._stop()
            self._read(item, seen, known.get(item.shown))
        if prune:
            self._prune(roots, known, {item.shown for item, _ in found}, blind)
        self._report(IndexProgress("reading", self._total, self._total))
        return self.reading

    def shown(self, path: Path) -> str:
        """Write a path as hits show it: relative to the workspace where it lies inside."""
        inside = path.relative_to(self._workspace) if path.is_relative_to(self._workspace) else path
        return os.fsencode(inside).decode(errors="backslashreplace")

    def _find(
        self, roots: Sequence[Path], known: dict[str, Known], blind: list[str], *, prune: bool
    ) -> list[tuple[_Found, Fingerprint]]:
        """List the files; in `blind` goes what could not be looked at, and so must not be pruned."""

        def trouble(path: Path, error: OSError) -> None:
            blind.append(self.shown(path))
            self.reading.failed.append((self.shown(path), f"{error.strerror}; check that it can be read."))

        found: dict[str, tuple[_Found, Fingerprint]] = {}
        for root in roots:
            if root.is_dir():
                paths = list(find_documents(root, lambda error: trouble(Path(error.filename), error)))
            elif root.exists() or not (prune and any(_inside(path, self.shown(root)) for path in known)):
                paths = [root]
            else:
                continue  # it was indexed and is gone: `_prune` takes it out
            for path in paths:
                try:
                    found[self.shown(path)] = (_Found(path, self.shown(path)), look(path))
                except NotReadable as error:
                    self.reading.failed.append((self.shown(path), str(error)))
                except OSError as error:
                    trouble(path, error)
        return list(found.values())

    def _read(self, item: _Found, seen: Fingerprint, known: Known | None) -> None:
        done = self._done
        self._report(IndexProgress("reading", done, self._total, item.shown))
        try:
            if known and known.sha256 and _same_at_a_glance(known, seen):
                self._skip(known)
            else:
                self._read_changed(item, check(item.path, seen), known)
        except NotReadable as error:
            self.reading.failed.append((item.shown, str(error)))
            if known:
                self._store.remove(known.id)
                self.reading.removed += 1
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it changed while it was read"
            self.reading.failed.append((item.shown, f"{reason}; check the file and index again."))
        self._done = done + seen.size

    def _read_changed(self, item: _Found, seen: Fingerprint, known: Known | None) -> None:
        if known and (known.sha256, known.reader) == (seen.sha256, seen.reader):
            self._store.touch(known.id, seen)
            self._skip(known)
            return
        complaints: list[tuple[str, str]] = []
        unlisted = 0

        def complain(line: int, sentence: str) -> None:
            nonlocal unlisted
            if len(complaints) < MAX_COMPLAINTS:
                complaints.append((f"{item.shown}:{line}" if line else item.shown, sentence))
            else:
                unlisted += 1

        def advance(bytes_read: int) -> None:
            self._done += bytes_read
            self._report(IndexProgress("reading", min(self._done, self._total), self._total, item.shown))

        pieces = read_document(item.path, seen.encoding, advance, complain)
        document, generation = self._store.begin(item.shown)
        while batch := list(islice(pieces, BATCH)):
            self.reading.passages += self._store.add(document, generation, item.shown, batch)
            self._stop()
        if unlisted:
            complaints.append(
                (item.shown, f"{unlisted} further lines were skipped; mend those listed first.")
            )
        self._store.finish(document, generation, seen, complaints)
        self.reading.documents += 1
        self.reading.failed += complaints

    def _skip(self, known: Known) -> None:
        """Pass over an unchanged file; what could not be read of it is listed all the same."""
        self.reading.skipped += 1
        self.reading.failed += [(place, sentence) for place, sentence in json.loads(known.complaints)]

    def _prune(
        self, roots: Sequence[Path], known: dict[str, Known], found: set[str], blind: Sequence[str]
    ) -> None:
        shown = [self.shown(root) for root in roots]
        for path, document in known.items():
            if path in found or any(_inside(path, folder) for folder in blind):
                continue
            if any(_inside(path, folder) for folder in shown):
                self._stop()
                self._store.remove(document.id)
                self.reading.removed += 1


def _same_at_a_glance(known: Known, seen: Fingerprint) -> bool:
    return (known.size, known.mtime_ns, known.reader) == (seen.size, seen.mtime_ns, seen.reader)


def _inside(path: str, folder: str) -> bool:
    """Whether a shown path is this file, or lies in this folder ("." is the workspace)."""
    if folder == ".":
        return not os.path.isabs(path)
    return path == folder or path.startswith(folder.rstrip("/") + "/")
