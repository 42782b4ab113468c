"""TOML with places: where every key and value stands, and what was meant where it is not TOML."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.toml import MAX_BYTES, Place, TomlDocument, TomlSyntaxError, parse_toml

DOCUMENT = """\
# a comment
graph = "ask"
a.b = 1
"x y".'z' = [1, { q = 2, r.s = "v" }, # another
  [3]]

[node.find]
use = 'retriever.hybrid'
über = 1
[[test]]
name = "one"
[[test]]
name = '''
two'''
[test.input]
question = "?"
""".replace("über", '"über"')


def refused(source: str | bytes) -> TomlSyntaxError:
    with pytest.raises(TomlSyntaxError) as caught:
        parse_toml(source if isinstance(source, bytes) else source.encode(), "x.toml")
    return caught.value


# --------------------------------------------------------------------------- places


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("graph",), (2, 1), (2, 9)),
        (("a",), (3, 1), (3, 1)),
        (("a", "b"), (3, 3), (3, 7)),
        (("x y", "z"), (4, 7), (4, 13)),
        (("x y", "z", 0), (4, 14), (4, 14)),
        (("x y", "z", 1, "q"), (4, 19), (4, 23)),
        (("x y", "z", 1, "r", "s"), (4, 28), (4, 32)),
        (("x y", "z", 2, 0), (5, 4), (5, 4)),
        (("node",), (7, 2), (7, 1)),
        (("node", "find"), (7, 7), (7, 1)),
        (("node", "find", "use"), (8, 1), (8, 7)),
        (("node", "find", "über"), (9, 1), (9, 10)),
        (("test", 0, "name"), (11, 1), (11, 8)),
        (("test", 1), (12, 3), (12, 1)),
        (("test", 1, "name"), (13, 1), (13, 8)),
        (("test", 1, "input", "question"), (16, 1), (16, 12)),
    ],
)
def test_each_key_and_value_has_its_line_and_column(
    path: tuple[str | int, ...], key: tuple[int, int], value: tuple[int, int]
) -> None:
    document = parse_toml(DOCUMENT.encode(), "x.toml")
    assert document.place(*path) == Place(*key)
    assert document.value_place(*path) == Place(*value)


def test_an_unknown_path_has_the_place_of_its_nearest_parent() -> None:
    document = parse_toml(DOCUMENT.encode(), "x.toml")
    assert document.place("node", "find", "top_k", 3) == document.place("node", "find")
    assert document.place("nothing") == document.place() == Place(1, 1)


def test_columns_count_characters_and_not_bytes() -> None:
    document = parse_toml('a = ["ä😀", 2]'.encode(), "x.toml")
    assert document.value_place("a", 1) == Place(1, 12)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    document = parse_toml(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n", "x.toml")
    assert document.data == {"a": 1, "b": 2}
    assert (document.place("a"), document.place("b")) == (Place(1, 1), Place(2, 1))


def test_a_document_does_not_show_its_text_in_its_repr() -> None:
    assert "hunter2" not in repr(parse_toml(b'password = "hunter2"', "x.toml"))


bare = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
keys = st.one_of(bare, st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6))
scalars = st.one_of(
    st.integers(-(2**60), 2**60),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)
tables = st.dictionaries(keys, values, max_size=4)


class Writer:
    """Writes TOML and notes where it put things, independently of any parser."""

    def __init__(self) -> None:
        self.text = ""
        self.keys: dict[tuple[str | int, ...], Place] = {}
        self.values: dict[tuple[str | int, ...], Place] = {}

    def here(self) -> Place:
        return Place(self.text.count("\n") + 1, len(self.text) - self.text.rfind("\n"))

    def key(self, key: str, path: tuple[str | int, ...]) -> None:
        self.keys[path] = self.here()
        plain = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
        self.text += key if plain else json.dumps(key, ensure_ascii=False)

    def value(self, value: Any, path: tuple[str | int, ...], space: str) -> None:
        self.values[path] = self.here()
        if isinstance(value, dict):
            self.text += "{"
            for index, (key, inner) in enumerate(value.items()):
                self.text += ("," if index else "") + space
                self.key(key, (*path, key))
                self.text += space + "=" + space
                self.value(inner, (*path, key), space)
            self.text += "}"
        elif isinstance(value, list):
            self.text += "["
            for index, inner in enumerate(value):
                self.text += space
                self.keys[(*path, index)] = self.here()
                self.value(inner, (*path, index), space)
                self.text += ", # é\n"
            self.text += "]"
        elif isinstance(value, str | bool):
            self.text += json.dumps(value, ensure_ascii=False)
        else:
            self.text += repr(value)

    def pairs(self, table: dict[str, Any], path: tuple[str | int, ...], space: str) -> None:
        for key, value in table.items():
            self.text += space
            self.key(key, (*path, key))
            self.text += f"{space}={space}"
            self.value(value, (*path, key), space)
            self.text += "\n"


@given(
    top=tables,
    named=st.dictionaries(keys, tables, max_size=3),
    listed=st.lists(tables, max_size=3),
    space=st.sampled_from(["", " ", "\t", "  "]),
)
def test_every_place_points_at_what_was_written_there(
    top: dict[str, Any], named: dict[str, dict[str, Any]], listed: list[dict[str, Any]], space: str
) -> None:
    writer = Writer()
    taken = {*named, "rows of it"}
    writer.pairs({key: value for key, value in top.items() if key not in taken}, (), space)
    for name, table in named.items():
        if name == "rows of it":
            continue
        writer.text += "["
        writer.key(name, (name,))
        writer.text += "] # ü\n"
        writer.pairs(table, (name,), space)
    for index, table in enumerate(listed):
        writer.text += "[["
        writer.keys[("rows of it", index)] = writer.here()
        writer.text += '"rows of it"]]\n'
        writer.pairs(table, ("rows of it", index), space)
    document = parse_toml(writer.text.encode(), "x.toml")
    assert document.data == tomllib.loads(writer.text)
    for path, place in writer.keys.items():
        assert document.place(*path) == place, path
    for path, place in writer.values.items():
        assert document.value_place(*path) == place, path


# --------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("steps: x\n", 1, 1, 'in TOML write steps = "…"'),
        ("a = 1\nsteps:\n  - b\n", 2, 1, "in TOML write [steps]"),
        ("key:value\n", 1, 1, "colon"),
        ("- item\n", 1, 1, "Lists are written in brackets"),
        ('a = {"b": 1}\n', 1, 9, "not a colon"),
        ("a = “hi”\n", 1, 5, "curly quote"),
        ('a = "x”\n', 1, 7, "curly quote"),
        ("a = hello\n", 1, 5, 'write a = "…"'),
        ("a = don’t\n", 1, 5, "Text needs quotes"),
        ("drain = 20s\n", 1, 9, 'write drain = "…"'),
        ('a = ["x", hello]\n', 1, 11, "in a list too"),
        ('a = "x\nb = 1\n', 1, 5, 'no closing "'),
        ("a = 1\nb = '''x\ny\n", 2, 5, "no closing '''"),
        ("a = '''x\nb = '''y'''\n", 2, 8, "begins in line 1"),
        ('a = "He said "hi" to me"\n', 1, 15, "ends at the quote"),
        ('a = "C:\\Users"\n', 1, 8, "single quotes"),
        ("a = [1 2]\n", 1, 8, "comma is missing"),
        ('a = ["x"\nb = 2\n', 1, 5, "no closing ]"),
        ("a = [1,\n", 1, 5, "no closing ]"),
        ("[t\n", 1, 3, "ends with ]"),
        ("[[t]\n", 1, 4, "ends with ]]"),
        ("[my table]\n", 1, 5, '["my name"]'),
        ("my key = 1\n", 1, 1, "needs quotes"),
        ("größe = 1\n", 1, 1, "needs quotes"),
        ("a = {b = 1,\n c = 2}\n", 1, 12, "one line"),
        ("a = {b = 1,}\n", 1, 12, "comma before"),
        ("a = 1\nb = 2\na = 3\n", 3, 1, "already set in line 1"),
        ("[t]\nx = 1\n[t]\n", 3, 2, "[t] is already set in line 1"),
        ("a = {b = 1, b = 2}\n", 1, 13, "a.b is already set"),
        ("a = 1\n[a.b]\n", 2, 2, "already set in line 1"),
        ("a =\n", 1, 4, "no value after the ="),
        ("= 3\n", 1, 1, "no name before the ="),
        ("a == 3\n", 1, 4, "One = is enough"),
        ("just words here\n", 1, 1, "no name = value"),
        ("// note\n", 1, 1, "Comments begin with #"),
        ("a = yes\n", 1, 5, "write true"),
        ("a = False\n", 1, 5, "small letters"),
        ("a = null\n", 1, 5, "leave the line out"),
        ("a = 1,5\n", 1, 5, "decimal point"),
        ("a = 007\n", 1, 5, "does not begin with 0"),
        ("a = .5\n", 1, 5, "write 0.5"),
        ("a = 2024-13-01\n", 1, 5, "no such date"),
        ("a\u00a0= 1\n", 1, 2, "invisible character"),
        ('a = "\x01"\n', 1, 6, "control character"),
        ("a = 1" + "0" * 5000 + "\n", 1, 5, "too many digits"),
    ],
)
def test_a_mistake_is_named_at_its_place(source: str, line: int, column: int, words: str) -> None:
    error = refused(source)
    assert words in error.message
    assert (error.line, error.column) == (line, column)
    assert str(error) == f"x.toml:{line}:{column}: {error.message}"


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        (b"\xff\xfea\x00", 1, 1, "UTF-16"),
        (b"a = 1\nb\x00 = 1", 2, 2, "NUL byte"),
        ("ä = 1\nb = ".encode() + b"\xe4\n", 2, 5, "not UTF-8"),
        (b"#" * (MAX_BYTES + 1), 1, 1, "over 1024 KiB"),
        (b"a = " + b"[" * 20_000 + b"]" * 20_000, 1, 1, "nested too deeply"),
        (b"b = 1\n" + b"a." * 50_000 + b"a = 1", 2, 1, "over 32 parts"),
    ],
)
def test_a_file_that_is_no_readable_text_is_refused_before_it_costs_time(
    source: bytes, line: int, column: int, words: str
) -> None:
    error = refused(source)
    assert words in error.message
    assert (error.line, error.column) == (line, column)


def test_a_pasted_secret_is_never_repeated() -> None:
    assert "sk-abc" not in str(refused("api_key = sk-abc123\n"))


PIECES = st.sampled_from(
    [
        "a",
        "b",
        " ",
        "=",
        ":",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        "'''",
        '"""',
        "\n",
        ",",
        ".",
        "#",
        "\\",
        "1",
        "-",
        "“",
        "é",
        "\t",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_parsed_or_refused_with_one_sentence_at_a_place_inside_it(text: str) -> None:
    found = parsed_or_refused(text.encode())
    if isinstance(found, TomlDocument):
        assert found.data == tomllib.loads(text)
        assert found.place("a", 0).line >= 1
        return
    lines = text.split("\n")
    assert 1 <= found.line <= len(lines)
    assert 1 <= found.column <= len(lines[found.line - 1]) + 1
    assert "\n" not in found.message
    assert found.message.endswith((".", '"', "…"))


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(source: bytes) -> None:
    assert parsed_or_refused(source) is not None


def parsed_or_refused(source: bytes) -> TomlDocument | TomlSyntaxError:
    try:
        return parse_toml(source, "x.toml")
    except TomlSyntaxError as error:
        return error
