"""What a check of a graph file finds: a place, a code, a sentence, a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from runtime.toml import Place, TomlDocument, TomlSyntaxError

CODES: Final = {
    "E01": "the file is not TOML",
    "E02": "a key that nobody knows",
    "E03": "a value of the wrong kind",
    "E04": "something that is missing",
    "E05": "a step that does not exist",
    "E06": "a plugin that is not loaded",
    "E07": "a parameter its plugin refuses",
    "E08": "a name that is not declared",
    "E09": "a condition that cannot work",
    "E10": "a text that is no template",
    "E11": "an output that may never be set",
    "E12": "a step that is never reached",
    "E13": "a loop that can never end",
    "E14": "a model alias that is not configured",
    "E15": "what looks like a secret",
    "E17": "a graph written in Python that cannot be made",
    "E18": "a test that proves nothing",
    "E19": "a field that several write at once, without a merge",
    "E20": "a step that is reached in two ways which exclude each other",
    "E21": "a graph that cannot be a step of this one",
    "W01": "a result that is partly dropped",
    "W02": "more mistakes than are shown",
}
"""Every code with what it means; E is an error, W a warning."""

_MOST = 100
_MOST_NAMES = 30
_LONGEST_WORD = 100


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake, with its place (1-based) and a remedy."""

    file: str
    line: int
    col: int
    code: str
    message: str
    help: str = ""

    @classmethod
    def of(cls, error: TomlSyntaxError) -> Finding:
        """Return where and why a file is not TOML."""
        message, _, help = error.message.rstrip(".").partition("; ")
        return cls(error.file, error.line, error.column, "E01", message[:1].lower() + message[1:], help)

    @property
    def severity(self) -> Literal["error", "warning"]:
        """Whether the graph can run all the same."""
        return "warning" if self.code.startswith("W") else "error"

    def __str__(self) -> str:
        told = f"{self.file}:{self.line}:{self.col}: {self.severity} {self.code}: {self.message}"
        return f"{told}; {self.help}" if self.help else told


@dataclass(frozen=True, slots=True)
class Note:
    """What a finding is about: its path in the document, the name that is not there, or the missing key."""

    path: tuple[str | int, ...]
    name: str = ""
    lacks: str = ""


@dataclass(slots=True)
class Findings:
    """Gathers what is found in one file; paths are those of its TOML document."""

    document: TomlDocument
    found: list[Finding] = field(default_factory=list)
    notes: dict[Finding, Note] = field(default_factory=dict)

    def add(
        self,
        code: str,
        message: str,
        *path: str | int,
        help: str = "",
        at: int | None = None,
        name: str = "",
    ) -> None:
        """Note a mistake in the value at `path`; `at` is an offset into that value's text.

        `name` is what is not there, when that is the mistake.
        """
        place = self._inside(path, at) if at is not None else self.document.value_place(*path)
        self._add(code, message, place, help, Note(path, name))

    def add_key(self, code: str, message: str, *path: str | int, help: str = "") -> None:
        """Note a mistake in the key at `path`."""
        self._add(code, message, self.document.place(*path), help, Note(path))

    def miss(self, key: str, message: str, *path: str | int, help: str, code: str = "E04") -> None:
        """Note that the table at `path` lacks a key."""
        self._add(code, message, self.document.place(*path), help, Note(path, lacks=key))

    @property
    def full(self) -> bool:
        """Whether there is more than anybody mends at once: nothing more is looked for."""
        return len(self.found) >= _MOST

    @property
    def errors(self) -> list[Finding]:
        """What keeps the graph from running."""
        return [finding for finding in self.found if finding.severity == "error"]

    def _add(self, code: str, message: str, place: Place, help: str, note: Note) -> None:
        if not help:
            message, _, help = message.partition("; ")
        finding = Finding(self.document.file, place.line, place.column, code, message, help)
        if finding not in self.notes:
            self.notes[finding] = note
            self.found.append(finding)

    def _inside(self, path: tuple[str | int, ...], at: int) -> Place:
        """Return the place of a character of a text value (escapes before it are not counted)."""
        line, column = self.document.value_place(*path)
        value: object = self.document.data
        for part in path:
            value = value[part]  # type: ignore[index]
        text = str(value)[:at]
        start = self.document.text.split("\n")[line - 1][column - 1 :]
        long = start.startswith(("'''", '"""'))
        if long and len(start) == 3:  # the line break after the opening quotes is not part of the value
            line, column, before = line + 1, 1, 0
        else:
            before = 3 if long else 1
        if "\n" in text:
            return Place(line + text.count("\n"), len(text) - text.rfind("\n"))
        return Place(line, column + before + len(text))


def alike(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, or nothing."""
    if len(word) > _LONGEST_WORD:
        return ""
    return next(iter(difflib.get_close_matches(word, sorted(known), 1, 0.6)), "")


def near(word: str, known: Iterable[str]) -> str:
    """Return the remedy for a misspelt word: what was probably meant, or what there is."""
    names = sorted(known)
    if found := alike(word, names):
        return f"did you mean {found}?"
    if len(names) > _MOST_NAMES:
        return f"there are {len(names)} others, such as {', '.join(names[:_MOST_NAMES])}"
    if not names:
        return "there is none"
    return f"there {'are' if len(names) > 1 else 'is'} {', '.join(names)}"


def in_sentence(remedy: str) -> str:
    """Return a remedy as the end of a sentence."""
    return remedy if remedy.endswith("?") else f"{remedy}."
