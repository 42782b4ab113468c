"""Which lines of a Markdown text are code: found by search, but no sentences that anybody would quote."""

from __future__ import annotations

import re

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)")


class CodeLines:
    """Told one line after the other, says of each whether it is code: in a fence, or an indented block."""

    def __init__(self) -> None:
        self._fence = ""
        self._after_blank = True
        self._indented = self._in_list = False

    def see(self, line: str) -> bool:
        """Return whether this line, the next one of the text, is code; the marks of a fence are."""
        mark = _FENCE.match(line)
        if self._fence:
            if mark and mark.group(1).startswith(self._fence):
                self._fence = ""
            return True
        if mark:
            self._fence = mark.group(1)
            return True
        if not line.strip():
            self._after_blank = True
            return False
        return self._see_indent(line)

    def _see_indent(self, line: str) -> bool:
        """Deep lines after a blank one are code, but in a list they are the rest of an item."""
        deep = line.startswith(("    ", "\t"))
        self._indented = deep and (self._indented or (self._after_blank and not self._in_list))
        self._in_list = bool(_ITEM.match(line)) or (self._in_list and line[0].isspace())
        self._after_blank = False
        return self._indented
