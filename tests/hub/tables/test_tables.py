"""A table is read as people wrote it, in any delimiter, encoding and types; what is wrong has its line."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.tables.file import examine
from hub.tables.table import is_text, open_table
from runtime.batches.batch import NewRow
from runtime.errors import CannotStart

SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "age": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "score": {"type": "number"},
        "member": {"type": "boolean"},
        "tags": {"type": "array"},
    },
}
LEAD = {
    "type": "object",
    "required": ["lead"],
    "properties": {"lead": {"type": "object"}, "explain": {"type": "boolean"}},
}


def read(path: Path, schema: Any = SCHEMA) -> list[NewRow]:
    table, _ = open_table(examine(path, text=is_text(path.suffix)), schema)
    return list(table.rows())


def written(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def inputs(path: Path, schema: Any = SCHEMA) -> list[Any]:
    return [row.input for row in read(path, schema)]


CELL = st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), min_size=1).filter(str.strip)


@given(
    st.lists(st.tuples(CELL, st.integers(-(2**53), 2**53)), min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_table_is_read_as_it_was_written(
    rows: list[tuple[str, int]], delimiter: str, encoding: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("name", "age"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), text.getvalue().encode(encoding))
        assert inputs(path) == [{"name": name, "age": age} for name, age in rows]


def test_cells_get_the_types_of_the_input(tmp_path: Path) -> None:
    text = 'name,age,score,member,tags\n007,41,2.5,yes,"[""a"",""b""]"\nAnn,,1e3,FALSE,\nBo,x,nan,maybe,[\n'
    assert inputs(written(tmp_path, text)) == [
        {"name": "007", "age": 41, "score": 2.5, "member": True, "tags": ["a", "b"]},
        {"name": "Ann", "score": 1000.0, "member": False},
        {"name": "Bo", "age": "x", "score": "nan", "member": "maybe", "tags": "["},
    ]


def test_an_empty_cell_is_left_out_unless_the_text_is_needed(tmp_path: Path) -> None:
    assert inputs(written(tmp_path, "name,score\n,1\n,\n")) == [{"name": "", "score": 1.0}]


def test_numbers_of_a_table_with_semicolons_may_have_a_decimal_comma(tmp_path: Path) -> None:
    assert inputs(written(tmp_path, "name;score\nAnn;2,5\n")) == [{"name": "Ann", "score": 2.5}]


def test_rows_know_the_line_they_begin_in(tmp_path: Path) -> None:
    text = 'name,age\n"two\nlines",1\n\nAnn,2\nBo,3,4\n'
    rows = read(written(tmp_path, text))
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, False), (5, False), (6, True)]
    assert "3 cells where the header has 2" in rows[2].problem


def test_other_columns_are_left_out_and_named(tmp_path: Path) -> None:
    file = examine(written(tmp_path, "id,name\n1,Ann\n"), text=True)
    table, ignored = open_table(file, SCHEMA)
    assert ([row.input for row in table.rows()], ignored) == ([{"name": "Ann"}], ("id",))


def test_a_graph_that_needs_one_object_gets_the_whole_row(tmp_path: Path) -> None:
    path = written(tmp_path, '"age";"job";"zip";"left"\n56;"services";"007";\n')
    assert inputs(path, LEAD) == [{"lead": {"age": 56, "job": "services", "zip": "007"}}]


def test_text_that_is_not_utf_8_is_read_by_a_guess_which_is_said(tmp_path: Path) -> None:
    names = ["Jürgen Müller aus Köln", "Zoë Ångström", "Señor Peña", "Façade déjà vu"] * 20
    path = written(tmp_path, ("name\n" + "\n".join(names) + "\n").encode("cp1252"))
    assert examine(path, text=True).guessed
    assert [row["name"] for row in inputs(path)] == names


def test_a_row_with_bytes_of_another_encoding_is_a_row_with_a_problem(tmp_path: Path) -> None:
    content = "name\nJürgen\nZoë\n".encode() + b"Pe\xf1a\n" + "Ångström\n".encode()
    rows = read(written(tmp_path, content))
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, False), (3, False), (4, True), (5, False)]
    lines = '{"name": "ö"}\n'.encode() + b'{"name": "\xf1"}\n' + '{"name": "öö"}\n'.encode()
    assert [bool(row.problem) for row in read(written(tmp_path, lines, "rows.jsonl"))] == [False, True, False]


def test_the_line_in_which_excel_names_the_delimiter_is_no_row(tmp_path: Path) -> None:
    assert inputs(written(tmp_path, "sep=;\nname;age\nAnn;3\n")) == [{"name": "Ann", "age": 3}]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"name,age\n", "a header and no rows"),
        (b"\n\n", "first line is empty"),
        (b"name,age,name\na,1,b\n", "the column name twice"),
        (b"nam,age\na,1\n", "no column name"),
        (b"\x7fELF\x02\0\0\0", "binary file"),
        (b'name,age\nAnn,1\n"' + b"x" * 2_000_000, "quotation mark"),
    ],
)
def test_a_table_that_cannot_be_begun_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    with pytest.raises(CannotStart, match=sentence):
        read(written(tmp_path, content))


def test_a_file_that_is_written_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    file = examine(written(tmp_path, "name\na\n"), text=True)
    file.check()
    written(tmp_path, "name\na\nb\n")
    with pytest.raises(CannotStart, match="was written while"):
        file.check()


def test_the_ending_says_what_a_table_is(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"\.csv"):
        read(written(tmp_path, "name\na\n", "rows.xlsx"))


def test_a_line_that_is_no_json_is_a_row_with_a_problem(tmp_path: Path) -> None:
    text = '{"name": "Ann"}\n\n{"name": \n{"score": NaN}\n[1]\n'
    rows = read(written(tmp_path, text, "rows.jsonl"))
    assert [(row.line, row.problem.split(" (")[0]) for row in rows] == [
        (1, ""),
        (3, "It is not JSON"),
        (4, "It is not JSON"),
        (5, ""),
    ]
    assert rows[0].input == {"name": "Ann"}
    with pytest.raises(CannotStart, match="no rows"):
        read(written(tmp_path, "\n \n", "rows.jsonl"))


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    columns = {
        "name": ["Ann", "Bo"],
        "age": [41, None],
        "score": [Decimal("2.5"), Decimal("3")],
        "tags": [["a"], []],
        "other": [date(2026, 1, 2), None],
    }
    pq.write_table(pa.table(columns), path)
    assert inputs(path) == [
        {"name": "Ann", "age": 41, "score": 2.5, "tags": ["a"]},
        {"name": "Bo", "score": 3.0, "tags": []},
    ]


def test_what_json_has_not_is_the_problem_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"name": ["a", "b"], "score": [float("nan"), 1.0]}), path)
    rows = read(path)
    assert "nan" in rows[0].problem
    assert rows[1].input == {"name": "b", "score": 1.0}


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no Parquet file"):
        read(written(tmp_path, b"PAR1 and then nothing", "rows.parquet"))
    pq.write_table(pa.table({"name": pa.array([], pa.string())}), tmp_path / "none.parquet")
    with pytest.raises(CannotStart, match="no rows"):
        read(tmp_path / "none.parquet")


def test_without_pyarrow_it_is_said_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CannotStart, match="pip install"):
        read(written(tmp_path, b"PAR1", "rows.parquet"))
