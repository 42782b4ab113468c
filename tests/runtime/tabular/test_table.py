"""A CSV file is read whatever its encoding and delimiter, or it is said what is wrong with it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidInput, NotFound, TooLarge
from runtime.tabular import table as tables
from runtime.tabular.table import DELIMITERS, Table, read_table


def texts(table: Table, name: str) -> list[str]:
    cells = table.columns[name]
    return [cells.values[code] for code in cells.codes]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encoding_and_delimiter_are_found_out(tmp_path: Path, delimiter: str, encoding: str) -> None:
    rows = [["größe", "Straße, Nr", "won"], *[[str(n), "Zürich, Café; Süd", "ja"] for n in range(50)]]
    path = tmp_path / "a.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    table = read_table(path)
    assert list(table.columns) == ["größe", "Straße, Nr", "won"]
    assert texts(table, "Straße, Nr") == ["Zürich, Café; Süd"] * 50
    assert (table.rows, table.delimiter) == (50, delimiter)


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)] * 3),
        min_size=1,
        max_size=20,
    )
)
def test_every_cell_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("cells") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "won"])
        # Rows that agree on the delimiter, as a file has them.
        writer.writerows([("1", "2", "3")] * 30)
        writer.writerows(rows)
    table = read_table(path)
    assert [*zip(*(texts(table, name)[30:] for name in table.columns), strict=True)] == rows


def test_empty_lines_are_no_rows_and_a_line_break_in_quotes_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,won\n"one\ntwo",1\n\n3,0\n\n')
    table = read_table(path)
    assert texts(table, "a") == ["one\ntwo", "3"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_first_line_that_tells_the_delimiter_is_no_line_of_names(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\r\na;won\r\n1,5;0\r\n2,5;1\r\n", encoding)
    table = read_table(path)
    assert (texts(table, "a"), table.delimiter) == (["1,5", "2,5"], ";")


def test_a_column_without_a_name_is_called_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",won\n1,0\n2,1\n")
    assert list(read_table(path).columns) == ["column 1", "won"]


def test_rows_can_be_taken_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,x\n2,y\n3,z\n")
    assert texts(read_table(path).take(np.array([2, 0])), "b") == ["z", "x"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; give a CSV file"),
        (b"  \n\n", "is empty"),
        (b"a,b\n", "a line of names and no rows"),
        (b"a\n1\n2\n", "has no columns that a comma"),
        (b"a,b\n1,2\n1,2,3\n4,5\n" + b"1,2\n" * 50, r"1 rows that have not 2 cells .* line 3\)"),
        (b"a,b,a\n1,2,3\n", "more than one column a; give every column its own name"),
        (b"PK\x03\x04" + b"\0" * 50, "is an Excel workbook or an archive; save the sheet as CSV"),
        (bytes(range(256)) * 40, "save"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=sentence):
        read_table(path)


def test_a_file_that_is_not_there_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_table(tmp_path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_BYTES", 10)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,2\n" * 10)
    with pytest.raises(TooLarge, match="give the newest rows alone"):
        read_table(path)
