"""What a reader of documents is given, and how it says what it cannot read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Complain = Callable[[int, str], None]
"""Told (line, sentence) for what is skipped inside a file; line 0 stands for the file as a whole."""
Advance = Callable[[int], None]
"""Told how many more bytes have been read."""


class NotReadable(Exception):
    """A file that cannot be read at all; the message is a sentence."""


class BadLine(Exception):
    """A line that is no record; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read; `encoding` is what its check found, for formats that are text."""

    path: Path
    encoding: str
    advance: Advance
    complain: Complain

    @property
    def name(self) -> str:
        """The file's name as a text, also where its bytes are none."""
        return os.fsencode(self.path.name).decode(errors="backslashreplace")
