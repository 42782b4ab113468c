"""An exception of a plugin in words: its own file and line, and one sentence without secrets."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import HubbubError, PluginError
from runtime.secrets import hide_secrets

LONGEST = 300
"""Characters of an exception's message that are shown."""


class Failed(PluginError):
    """A failure of a plugin that was put into words elsewhere, and counts as one."""


def shown_path(file: Path, workspace: Path) -> str:
    """Return the path as people know it: from the workspace when it is inside, else in full."""
    return str(file.relative_to(workspace)) if file.is_relative_to(workspace) else str(file)


def line_in(error: BaseException, file: str) -> int:
    """Return the last line of `file` that the exception passed through; 0 when there is none."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == file:
        line = error.lineno or line
    return line


def place(shown: str, line: int) -> str:
    """Return `FILE:LINE`, or the file alone where no line is known."""
    return f"{shown}:{line}" if line else shown


def in_words(error: BaseException) -> str:
    """Return what went wrong in one line: the type and message of an exception, without a full stop."""
    if isinstance(error, SystemExit):
        return "it called sys.exit"
    if isinstance(error, RecursionError):
        return "it calls itself without end"
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # a plugin's own exception class may be as broken as the rest
        message = ""
    words = hide_secrets(" ".join(message.split()))
    if len(words) > LONGEST:
        words = words[: LONGEST - 1] + "…"
    words = words.rstrip(".")
    if isinstance(error, HubbubError) and words:
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
