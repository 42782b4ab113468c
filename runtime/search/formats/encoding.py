"""Which encoding a text has, judged while its bytes pass by."""

from __future__ import annotations

import codecs
from typing import Protocol

from runtime.search.formats.source import NotReadable

LEGACY = ("cp1252", "cp1250", "cp1251", "cp1253", "shift_jis", "gb18030", "big5", "euc_kr")
"""Encodings that spreadsheets still write, the likelier ones first."""

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SAMPLE = 32 * 1024
_BINARY = 0.01
"""Share of NUL bytes, or of control characters, from which on a file is not taken for text."""
_STRAY = 16
"""Control characters that a text may have in any case."""
_CONTROLS = bytes([*range(9), *range(14, 27), *range(28, 32)])
"""Bytes below the space that no text has; 27 begins the shifts of Japanese mail."""


class Judge(Protocol):
    """Sees a file block by block, and says at the end in which encoding to read it."""

    def see(self, block: bytes) -> None:
        """Take the next block in; NotReadable when this is no text."""

    def encoding(self) -> str:
        """Return the encoding; NotReadable when there is none."""


class Bytes:
    """For formats that say themselves how they are to be read."""

    def see(self, block: bytes) -> None:
        """Let it pass."""

    def encoding(self) -> str:
        """Return what nobody asks for."""
        return "utf-8"


class Unicode:
    """For prose: UTF-8, or UTF-16 with its mark, from the first byte to the last."""

    def __init__(self) -> None:
        self._encoding = ""
        self._decoder: codecs.IncrementalDecoder | None = None

    def see(self, block: bytes) -> None:
        """Decode it strictly."""
        if self._decoder is None:
            self._encoding = marked(block) or "utf-8"
            self._decoder = codecs.getincrementaldecoder(self._encoding)()
        if self._encoding != "utf-16" and b"\0" in block:
            raise NotReadable("This looks like a binary file, not text; leave it out or convert it to text.")
        self._decode(block)

    def encoding(self) -> str:
        """Return it, when the last character was whole."""
        self._decode(b"", final=True)
        return self._encoding or "utf-8"

    def _decode(self, block: bytes, *, final: bool = False) -> None:
        try:
            if self._decoder is not None:
                self._decoder.decode(block, final)
        except UnicodeError:
            raise NotReadable("The file is not UTF-8 text; save it as UTF-8.") from None


class Guess:
    """For tables, which spreadsheets write in the encoding of their country when they are not asked.

    A table with good UTF-8 in it and some bad bytes is UTF-8, and its bad lines are for the reader to
    complain of.
    """

    def __init__(self) -> None:
        self._marked: str | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._head = self._sample = b""
        self._good = self._bad = 0

    def see(self, block: bytes) -> None:
        """Count what is UTF-8 beyond ASCII and what is not, until that is clear."""
        if self._marked is None:
            self._marked = marked(block)
            self._head = block[:_SAMPLE]
            if not self._marked and block.count(0) > len(block) * _BINARY:
                raise NotReadable("This looks like a binary file or UTF-16 without a mark; save it as UTF-8.")
        if self._marked or self._bad:
            return
        text = self._decoder.decode(block)
        try:
            self._good += len(text.encode()) - len(text)  # bytes beyond the first of each character
        except UnicodeEncodeError as error:
            self._count(text, error.start)

    def _count(self, text: str, first: int) -> None:
        """Weigh the block with the first bad byte, and keep what is around it."""
        self._bad = sum("\udc80" <= character <= "\udcff" for character in text)
        self._good += sum(character > "\x7f" for character in text) - self._bad
        around = text[max(0, first - _SAMPLE // 2) : first + _SAMPLE]
        self._sample = around.encode("utf-8", "surrogateescape")

    def encoding(self) -> str:
        """Return the mark's, or UTF-8, or the likeliest of the old ones."""
        if self._marked or self._good >= self._bad:
            return self._marked or "utf-8"
        from charset_normalizer import from_bytes

        best = from_bytes(self._head + b"\n" + self._sample, cp_isolation=list(LEGACY)).best()
        if best is None:
            raise NotReadable("The encoding of the file cannot be told; save it as UTF-8.")
        return best.encoding


def looks_binary(data: bytes) -> bool:
    """Whether the beginning has more control characters than any text; one of UTF-16 says so by its mark."""
    beginning = data[:_SAMPLE]
    controls = len(beginning) - len(beginning.translate(None, _CONTROLS))
    return not marked(data) and controls > max(_STRAY, _BINARY * len(beginning))


def marked(block: bytes) -> str | None:
    """Return the encoding that the mark at the beginning of a text stands for, None without one."""
    return next((name for mark, name in _MARKS if block.startswith(mark)), None)
