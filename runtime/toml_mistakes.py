"""What a person probably meant where a file is not TOML, in one sentence that never repeats a value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from runtime.toml import Place, TomlPath, declarations


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where a text stops being TOML, and how to mend it."""

    message: str
    place: Place


def explain(text: str, reason: str) -> Mistake:
    """Turn tomllib's `reason` into a sentence for people, placed where the mistake was made."""
    failure = Failure(text, reason)
    for detective in DETECTIVES:
        if mistake := detective(failure):
            return mistake
    plain = failure.what.rstrip(".")
    return Mistake(
        f"This is not TOML: {plain[:1].lower()}{plain[1:]}; compare it with a line that works.", failure.place
    )


@dataclass(frozen=True)
class Failure:
    """A text and the parser's complaint about it."""

    text: str
    reason: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.split("\n")

    @cached_property
    def at_end(self) -> bool:
        """Whether the parser came to the end and wanted more."""
        return self.reason.endswith("(at end of document)")

    @cached_property
    def place(self) -> Place:
        """Where the parser stopped, often just after the mistake."""
        if found := re.search(r"\(at line (\d+), column (\d+)\)$", self.reason):
            return Place(int(found[1]), int(found[2]))
        return Place(len(self.lines), len(self.lines[-1]) + 1)

    @cached_property
    def what(self) -> str:
        """The complaint without its place."""
        return self.reason.split(" (at ")[0]

    @cached_property
    def line(self) -> str:
        """The line where the parser stopped."""
        return self.lines[self.place.line - 1]

    @cached_property
    def before(self) -> str:
        """The line up to where the parser stopped."""
        return self.line[: self.place.column - 1]

    @cached_property
    def rest(self) -> str:
        """The line from where the parser stopped."""
        return self.line[self.place.column - 1 :]

    @cached_property
    def value(self) -> str:
        """What stands after the first `=` of the line, without a comment."""
        return self.line.partition("=")[2].split("#")[0].strip()

    def here(self, message: str, column: int | None = None) -> Mistake:
        """Return a mistake in this line, at `column` or where the parser stopped."""
        return Mistake(message, Place(self.place.line, self.place.column if column is None else column))


# --------------------------------------------------------------------------- things said twice


def _said_twice(failure: Failure) -> Mistake | None:
    if not failure.what.startswith(
        ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline")
    ):
        return None
    first: dict[TomlPath, Place] = {}
    last: tuple[TomlPath, Place] | None = None
    for path, spot in declarations(failure.text):
        if spot.key > failure.place:
            break
        for known in (path[:length] for length in range(len(path), 0, -1)):
            if known in first and first[known] != spot.key:
                if known == path or last is None or (last[0], last[1].line) != (known, spot.key.line):
                    last = (known, spot.key)
                break
        first.setdefault(path, spot.key)
    if last is None:
        return None
    path, place = last
    name = ".".join(str(part) for part in path if isinstance(part, str))
    shown = f"[{name}]" if failure.line.lstrip().startswith("[") else name
    return Mistake(f"{shown} is already set in line {first[path].line}; keep one of the two.", place)


# --------------------------------------------------------------------------- characters


_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|\#.*""")
_CURLY = re.compile(r"(?<![^\W\d_])[“”„‟«»‘’‚‛]|[“”„‟«»‘’‚‛](?![^\W\d_])")


def _outside_quotes(line: str) -> str:
    """Blank out quoted text and comments; columns stay."""
    return _QUOTED.sub(lambda found: " " * len(found[0]), line)


def _curly_quote(failure: Failure) -> Mistake | None:
    found = _CURLY.search(_outside_quotes(failure.line))
    if not found or failure.at_end:
        return None
    return failure.here(f'This is a curly quote ({found[0]}); write a straight one: "', found.start() + 1)


def _strange_character(failure: Failure) -> Mistake | None:
    for column, character in enumerate(_outside_quotes(failure.line), start=1):
        if character not in " \t" and unicodedata.category(character) in ("Zs", "Cf", "Cc"):
            name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
            return failure.here(
                f"There is an invisible character here ({name}); replace it with a space.", column
            )
    if failure.what.startswith("Illegal character") and not failure.what.endswith("'\\n'"):
        return failure.here("There is a control character here; take it out.")
    return None


def _backslash(failure: Failure) -> Mistake | None:
    if failure.what.startswith(("Unescaped '\\'", "Invalid hex value", "Escaped character")):
        column = failure.line.rfind("\\", 0, failure.place.column) + 1
        return failure.here(
            "A backslash in \"…\" begins an escape; put the text between single quotes '…'.", column
        )
    return None


# --------------------------------------------------------------------------- names


_BARE = re.compile(r"[A-Za-z0-9_-]+")


def _habit(failure: Failure) -> Mistake | None:
    """Catch lines of YAML and comments of other languages."""
    start = len(failure.line) - len(failure.line.lstrip()) + 1
    line = failure.line.strip()
    if re.match(r"-(\s|$)", line):
        return failure.here('Lists are written in brackets: name = ["a", "b"].', start)
    if failure.what.startswith("Expected '='") and failure.rest.lstrip().startswith(":"):
        found = re.fullmatch(r"([^\s:=\"']+)\s*:(.*)", line)
        if found is None:
            return failure.here("Between a name and its value stands = in TOML, not a colon.")
        written = f'{found[1]} = "…"' if found[2] else f"[{found[1]}]"
        return failure.here(f"This is written with a colon, as in YAML; in TOML write {written}.", start)
    if found := re.match(r"//|/\*|;|--|<!--", line):
        return failure.here("Comments begin with #.", start)
    return None


def _name(failure: Failure) -> Mistake | None:
    start = len(failure.line) - len(failure.line.lstrip()) + 1
    if failure.line.lstrip().startswith("=") and failure.what == "Invalid statement":
        return failure.here("There is no name before the =; write name = value.", start)
    if failure.what.startswith("Invalid initial character for a key part"):
        if not failure.rest.strip():
            return failure.here(
                "A table in braces { … } must stay on one line; use a [table] for a longer one."
            )
        if failure.rest.startswith("}"):
            return failure.here("There is a comma before this }; take it out.")
        if failure.rest.startswith("]"):
            return failure.here("The name between the brackets is missing; write [name].")
    if failure.what.startswith(("Expected '='", "Invalid initial character", "Invalid statement")):
        name, equals, _ = failure.line.strip().partition("=")
        if not equals:
            return failure.here(
                "This line is no name = value, [table] or # comment; a quote or # may be missing.", start
            )
        if not _BARE.fullmatch(name.strip()) and not re.search(r"[\"'{\[]", name):
            return failure.here(
                'A name of more than a-z, 0-9, _ and - needs quotes; write "my name" = ….', start
            )
    if failure.what.startswith(("Expected ']'", "Expected ']]'")):
        if failure.rest.startswith("]"):
            return failure.here("The name of a list of tables ends with ]]; add a ].")
        if "]" not in failure.rest:
            return failure.here("The name of a table ends with ]; add it.", len(failure.line.rstrip()) + 1)
        return failure.here('A table name of more than a-z, 0-9, _ and - needs quotes; write ["my name"].')
    return None


# --------------------------------------------------------------------------- values


_WORDS = {
    "true": "Truth values are true and false, in small letters.",
    "false": "Truth values are true and false, in small letters.",
    "yes": "Truth values are true and false; write true.",
    "on": "Truth values are true and false; write true.",
    "no": "Truth values are true and false; write false.",
    "off": "Truth values are true and false; write false.",
    "null": "TOML has no empty value; leave the line out.",
    "none": "TOML has no empty value; leave the line out.",
    "nil": "TOML has no empty value; leave the line out.",
    "~": "TOML has no empty value; leave the line out.",
}


def _bare_value(failure: Failure) -> Mistake | None:
    """Catch what stands after `=` without the quotes it needs."""
    if not failure.what.startswith(("Invalid value", "Expected newline")) or failure.at_end:
        return None
    value = failure.value
    column = failure.line.find("=") + 2
    column += len(failure.line[column - 1 :]) - len(failure.line[column - 1 :].lstrip())
    if "=" in failure.line and not value:
        return failure.here("There is no value after the =; write one, or leave the line out.", column)
    if value.startswith(("[", "{")):
        if failure.what.startswith("Invalid value"):
            word = re.match(r"[\w~]*", failure.rest)
            known = _WORDS.get(word[0].lower()) if word else None
            return failure.here(known or 'Text needs quotes, in a list too; write "…".')
        return None
    if (
        not value
        or value.startswith(('"', "'"))
        or failure.line.lstrip().startswith("[")
        or "=" in failure.rest[1:]
    ):
        return None
    if value.startswith("="):
        return failure.here("One = is enough; write name = value.", column)
    if value.lower() in _WORDS:
        return failure.here(_WORDS[value.lower()], column)
    if re.fullmatch(r"[+-]?\d+(,\d+)+", value):
        return failure.here("Numbers have a decimal point and no commas; write 1.5 or 1000.", column)
    if re.fullmatch(r"[+-]?0\d+", value):
        return failure.here(
            "A number does not begin with 0; take it out, or put quotes around a code.", column
        )
    if re.fullmatch(r"[+-]?(\.\d+|\d+\.)", value):
        return failure.here("A decimal point stands between digits; write 0.5 or 5.0.", column)
    if re.match(r"\d{4}-\d{2}-\d{2}", value):
        return failure.here("There is no such date or time; write 2026-01-31, or quotes around it.", column)
    name = failure.line.partition("=")[0].strip()
    return failure.here(f'Text needs quotes; write {name} = "…".', column)


def _more_after_the_end(failure: Failure) -> Mistake | None:
    if not failure.what.startswith("Expected newline"):
        return None
    before = failure.before.rstrip()
    if before.endswith(('"""', "'''")) and not re.search(r"=\s*(\"\"\"|''')", before[:-3] or " "):
        opened = _opening_of(failure)
        where = f"the text that begins in line {opened.line}" if opened else "a text"
        return failure.here(
            f"Here ends {where}, and more follows; add the missing ''' above, or take one out."
        )
    if before.endswith(('"', "'")):
        return failure.here(
            "The text ends at the quote before this; to have quotes in a text put it between '''."
        )
    return failure.here(
        "This line goes on after its value; begin a new line, or put quotes around all of it."
    )


_STRINGS = re.compile(
    r'''\#[^\n]*
    | """(?:[^\\]|\\.)*?"{3,5} | \'\'\'.*?\'{3,5} | (?P<long>"""|\'\'\')
    | "(?:[^"\\\n]|\\[^\n])*" | '[^'\n]*' | (?P<short>["'])
    | (?P<bracket>[\[\]{}])''',
    re.DOTALL | re.VERBOSE,
)


def _place_of(text: str, offset: int) -> Place:
    return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _opening_of(failure: Failure) -> Place | None:
    """Return where the string begins that ends where the parser stopped."""
    for found in _STRINGS.finditer(failure.text):
        end = _place_of(failure.text, found.end())
        if end > failure.place:
            return None
        if end == failure.place and found[0].startswith(('"""', "'''")):
            return _place_of(failure.text, found.start())
    return None


def _unclosed_text(failure: Failure) -> Mistake | None:
    if not failure.what.startswith(
        ("Illegal character '\\n'", "Unterminated string", "Expected \"'", "Expected '\"")
    ):
        return None
    for found in _STRINGS.finditer(failure.text):
        if found["long"]:
            message = f"This text has no closing {found[0]}; add it where the text ends."
            return Mistake(message, _place_of(failure.text, found.start()))
        if found["short"]:
            message = (
                f"This text has no closing {found[0]} in its line; add it (longer texts go between ''')."
            )
            return Mistake(message, _place_of(failure.text, found.start()))
    return None


def _unclosed_bracket(failure: Failure) -> Mistake | None:
    if not (failure.what.startswith("Unclosed") or failure.at_end):
        return None
    stop = sum(len(line) + 1 for line in failure.lines[: failure.place.line - 1]) + failure.place.column - 1
    opened: list[int] = []
    for found in _STRINGS.finditer(failure.text, 0, stop):
        if found["bracket"] in ("[", "{"):
            opened.append(found.start())
        elif found["bracket"] and opened:
            opened.pop()
    if not opened:
        return None
    closing = "]" if failure.text[opened[-1]] == "[" else "}"
    new_statement = re.match(r"\s*(\[|[\w.\"'-]+\s*=)", failure.rest) and not failure.before.strip()
    if failure.rest.strip() and not new_statement:
        return failure.here(f"A comma is missing before this, or a {closing} to end what began.")
    message = f"This has no closing {closing}; add it where it ends."
    return Mistake(message, _place_of(failure.text, opened[-1]))


def _impossible(failure: Failure) -> Mistake | None:
    if failure.what.startswith("Invalid date"):
        return failure.here("There is no such date or time; mend it, or put quotes around it.")
    if failure.what.startswith("Exceeds the limit") and (found := re.search(r"\d{1000,}", failure.text)):
        return Mistake("This number has too many digits; shorten it.", _place_of(failure.text, found.start()))
    return None


DETECTIVES: tuple[Callable[[Failure], Mistake | None], ...] = (
    _said_twice,
    _impossible,
    _backslash,
    _curly_quote,
    _strange_character,
    _habit,
    _unclosed_text,
    _unclosed_bracket,
    _name,
    _bare_value,
    _more_after_the_end,
)
"""Asked in this order; the first that knows the mistake names it."""
