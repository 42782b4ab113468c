"""Reading CSV and TSV."""

import csv
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.search.data import Piece
from runtime.search.documents import read_document
from runtime.search.formats import delimited
from runtime.search.formats.source import NotReadable

Read = Callable[..., list[Piece]]
Complaints = list[tuple[int, str]]


def test_a_row_is_a_record_with_its_line_and_the_other_columns_as_metadata(read: Read) -> None:
    pieces = read(
        "a.csv", 'ID,Title,Text,year,sku\n7,Owls,"They hunt\nat night.",2020,0012\n8,,Larks.,,1.5\n'
    )
    assert pieces == [
        Piece("They hunt\nat night.", "Owls", 2, "7", ((0, 19),), {"year": 2020, "sku": "0012"}),
        Piece("Larks.", "", 4, "8", ((0, 6),), {"sku": 1.5}),
    ]


def test_without_a_text_the_row_says_its_values_with_their_names(read: Read) -> None:
    (piece,) = read("a.csv", "id,name,city,note\n1,Anna,Oslo,\n")
    assert (piece.text, piece.metadata) == ("name: Anna\ncity: Oslo", {"name": "Anna", "city": "Oslo"})


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiter_and_encoding_are_found(read: Read, delimiter: str, encoding: str, end: str) -> None:
    rows = [["id", "title", "text"], ["1", "Größe", "Fünf, oder; mehr | für Zoë"], ["2", "Preis", "Zehn"]]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    pieces = read("a.csv", file.getvalue().encode(encoding))
    assert [[p.record, p.title, p.text] for p in pieces] == rows[1:]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "имя;город\nИван;Москва\nОльга;Санкт-Петербург\n"),
        ("shift_jis", "名前,都市\n田中太郎,東京都千代田区\n鈴木花子,大阪府大阪市\n"),
        ("gb18030", "姓名,城市\n王小明,北京市海淀区\n李华,上海市浦东新区\n"),
    ],
)
def test_the_encodings_of_old_spreadsheets_are_guessed(read: Read, encoding: str, text: str) -> None:
    pieces = read("a.csv", text.encode(encoding))
    assert [p.text for p in pieces] == [p.text for p in read("b.csv", text)]
    assert len(pieces) == 2


def test_the_delimiter_that_excel_writes_first_is_believed(read: Read) -> None:
    pieces = read("a.csv", "sep=;\nid;text\n1;a, b\n2;c, d\n")
    assert [(p.record, p.text, p.line) for p in pieces] == [("1", "a, b", 3), ("2", "c, d", 4)]


def test_rows_that_are_not_like_the_first_are_said_with_their_line(
    read: Read, complaints: Complaints
) -> None:
    rows = "id,title,text\n1,A,one\n2,B\n\n,,\n3,C,x,y\n4,D,two,,\n5;E;three\n6,F,four\n"
    assert [p.record for p in read("a.csv", rows)] == ["1", "4", "6"]
    assert [line for line, _ in complaints] == [3, 6, 8]
    short, long, wrong = (sentence for _, sentence in complaints)
    assert short == (
        "2 columns where the first line has 3, separated by commas; add the missing ones, empty if need be."
    )
    assert long == "4 columns where the first line has 3; put values that hold commas in double quotes."
    assert wrong.startswith("1 column where the first line has 3, separated by commas;")


def test_one_bad_line_of_a_unicode_file_is_said_and_the_rest_is_read(
    read: Read, complaints: Complaints
) -> None:
    content = "id,text\n1,Größe\n2,".encode() + "Größe".encode("cp1252") + "\n3,für Zoë\n".encode()
    assert [p.text for p in read("a.csv", content)] == ["Größe", "für Zoë"]
    assert complaints == [(3, "not in the encoding of the rest; save the file as UTF-8.")]


def test_doubled_ids_are_said_with_both_lines(read: Read, complaints: Complaints) -> None:
    assert [p.text for p in read("a.csv", "id,text\n1,a\n1,b\n,c\n,d\n")] == ["a", "c", "d"]
    assert complaints == [(3, 'the id "1" is that of line 2 already; give each record its own.')]


def test_a_quote_that_is_never_closed_is_said_where_it_begins(
    read: Read, complaints: Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "LONGEST_FIELD", 1024 * 1024)
    rows = "".join(f"{number},Row {number} of many.\n" for number in range(60_000))
    pieces = read("a.csv", f'id,text\n"open,here\n{rows}')
    assert [line for line, _ in complaints] == [2]
    assert "never closed" in complaints[0][1]
    assert pieces[-1].text == "Row 59999 of many."


def test_a_quote_that_is_open_at_the_end_does_not_swallow_the_rest_unsaid(
    read: Read, complaints: Complaints
) -> None:
    pieces = read("a.csv", 'id,text\n1,"closed\nhere"\n2,"open,here\n3,c\n4,d\n')
    assert [p.text for p in pieces] == ["closed\nhere"]
    assert complaints == [(4, "a quote is never closed; close it. All from here on is left out.")]
    assert [p.text for p in read("b.csv", 'id,text\n1,"closed at the end"')] == ["closed at the end"]


def test_a_line_without_end_is_left_out(
    read: Read, complaints: Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "LONGEST_LINE", 1000)
    assert [p.line for p in read("a.csv", f"id,text\n1,a\n2,{'b' * 5000}\n3,c\n")] == [2, 4]
    assert [line for line, _ in complaints] == [3]


def test_columns_without_a_name_or_with_the_same_one_get_their_own(read: Read) -> None:
    (piece,) = read("a.csv", ",x,x\n1,2,3\n")
    assert piece.metadata == {"column 1": 1, "x": 2, "x (3)": 3}


def test_nul_bytes_and_emoji_do_no_harm(read: Read, complaints: Complaints) -> None:
    filler = "".join(f"{number},Filler.\n" for number in range(2, 40))
    pieces = read("a.csv", f"id,text\n1,a\0b 🦉\n{filler}")
    assert pieces[0].text == "a b 🦉"
    assert complaints == []


@pytest.mark.parametrize("content", [b"", b"id,text\n", b"\n"[:0]])
def test_a_table_without_rows_has_no_pieces(read: Read, content: bytes) -> None:
    assert read("a.csv", content) == []


@pytest.mark.parametrize("content", [b"\0\1\2\3" * 100, b"\n\nid,text\n1,a\n"])
def test_what_is_no_table_is_refused_with_a_sentence(read: Read, content: bytes) -> None:
    with pytest.raises(NotReadable, match=r"\.$"):
        read("a.csv", content)


def test_a_table_of_any_size_is_read_in_little_memory(tmp_path: Path) -> None:
    row = ",".join(["some words of a row"] * 10)
    path = tmp_path / "big.csv"
    path.write_text("id,a,b,c,d,e,f,g,h,i,j\n" + "".join(f"{number},{row}\n" for number in range(40_000)))
    tracemalloc.start()
    count = sum(1 for _ in read_document(path, "utf-8", lambda _: None, lambda line, sentence: None))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < path.stat().st_size / 2


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=6))
def test_what_a_writer_of_csv_wrote_is_read(read: Read, rows: list[list[str]]) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["note", "text"], *rows])
    told = [text for _, text in rows if text]
    assert [p.text for p in read("a.csv", file.getvalue())] == told
