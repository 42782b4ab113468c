"""Reading the tables of a graph file: plain values of the right kind, or a finding with the place."""

from __future__ import annotations

import re
from typing import Any

from runtime.graphs.file import END, RESERVED
from runtime.graphs.findings import Findings
from runtime.toml import TomlDocument
from runtime.units import seconds

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class Tables:
    """The tables of one document; what is wrong goes to `findings`."""

    def __init__(self, document: TomlDocument, findings: Findings) -> None:
        self.data, self.findings = document.data, findings

    def table(self, key: str) -> dict[str, Any]:
        """Return a table of the file; an empty one when it has none."""
        value = self.data.get(key, {})
        if isinstance(value, dict):
            return value
        self.findings.add("E03", f"{key} must be a table", key, help=f"write [{key}]")
        return {}

    def named(self, name: str, *path: str) -> bool:
        """Whether a name may be one."""
        if not _NAME.fullmatch(name):
            self.findings.add_key(
                "E03", f"{name!r} is no name", *path, help="use letters, digits and _, a letter first"
            )
        elif name in RESERVED:
            self.findings.add_key(
                "E03", f"{name} has a meaning of its own", *path, help="choose another name"
            )
        else:
            return True
        return False

    def seconds(self, value: Any, *path: str) -> float | None:
        """Return a duration in seconds; None when it is none."""
        try:
            found = seconds(value)
        except ValueError as error:
            self.findings.add("E03", f"this {error}", *path)
            return None
        if found <= 0:
            self.findings.add(
                "E03", "this must be longer than nothing", *path, help='write for example "20s"'
            )
            return None
        return found

    def number(
        self, value: Any, least: float | None, most: float | None, *path: str, whole: bool = False
    ) -> Any:
        """Return a number within its bounds; None when it is none."""
        kind = "a whole number" if whole else "a number"
        right = isinstance(value, int) or (isinstance(value, float) and not whole and value == value)
        if not right or isinstance(value, bool):
            help = (
                "write it without quotes, for example 5" if isinstance(value, str) else "write for example 5"
            )
            self.findings.add("E03", f"this must be {kind}", *path, help=help)
            return None
        if (least is not None and value < least) or (most is not None and value > most):
            message = f"{value} is out of range"
            self.findings.add("E03", message, *path, help=f"write {kind} from {least} to {most}")
            return None
        return value

    def step(self, value: Any, *path: str | int) -> str:
        """Return the name of a step; the end when it is none."""
        if isinstance(value, str) and value:
            return value
        self.findings.add("E03", "this must be the name of a step", *path, help='write for example "end"')
        return END

    def save(self, value: Any, *path: str) -> Any:
        """Return what a step writes where, as it is said; None when it does not say it."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return tuple(value)
        if isinstance(value, dict) and value:
            return value
        self.findings.add(
            "E03", "save must be a name, a list of names or a table", *path, help='write save = "answer"'
        )
        return None
