"""Reading DOCX."""

import contextlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.search.data import Piece
from runtime.search.formats.source import NotReadable

Read = Callable[..., list[Piece]]

NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.docx"


def test_a_document_is_cut_at_headings_with_lists_and_tables(read: Read, path: Path) -> None:
    document = docx.Document()
    document.core_properties.title = "Handbook"
    document.add_paragraph("Before any heading.")
    document.add_heading("Guide", 1)
    document.add_paragraph("Some ").add_run("bold text.").bold = True
    document.add_heading("Prices", 2)
    document.add_paragraph("")
    table = document.add_table(2, 2)
    for cell, text in zip(
        [*table.rows[0].cells, *table.rows[1].cells], ["Item", "Price", "Owl", "5 €"], strict=True
    ):
        cell.text = text
    document.add_paragraph("After the table. 🦉")
    document.save(str(path))
    assert [(p.title, p.text, p.line) for p in read("a.docx")] == [
        ("Handbook", "Before any heading.", 1),
        ("Guide", "Some bold text.", 3),
        ("Guide > Prices", "| Item | Price |\n| Owl | 5 € |\n\nAfter the table. 🦉", 6),
    ]


def test_what_is_in_content_controls_links_and_insertions_is_read_and_deletions_are_not(
    read: Read, path: Path
) -> None:
    document = docx.Document()
    body = document.element.body
    for inner in (
        "<w:sdt {}><w:sdtContent><w:p><w:r><w:t>Controlled.</w:t></w:r></w:p></w:sdtContent></w:sdt>",
        "<w:p {}><w:ins><w:r><w:t>Inserted.</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>Gone.</w:delText></w:r></w:del></w:p>",
        "<w:p {}><w:hyperlink><w:r><w:t>Linked.</w:t></w:r></w:hyperlink></w:p>",
    ):
        body.insert(0, parse_xml(inner.format(NAMESPACE)))
    document.save(str(path))
    assert [p.text for p in read("a.docx")] == ["Linked.\n\nInserted.\n\nControlled."]


def test_an_empty_document_has_no_pieces(read: Read, path: Path) -> None:
    docx.Document().save(str(path))
    assert read("a.docx") == []


def test_a_document_that_unpacks_to_too_much_is_refused_unread(read: Read, path: Path) -> None:
    docx.Document().save(str(path))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file, file.open("word/big.xml", "w") as part:
        for _ in range(65):
            part.write(b" " * 2**20)
    assert path.stat().st_size < 2**20
    with pytest.raises(NotReadable, match="unpacks to more"):
        read("a.docx")


def test_entities_that_grow_are_not_followed(read: Read, path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("Innocent.")
    document.save(str(path))
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    bomb = f'<!DOCTYPE d [<!ENTITY e0 "bomb">{entities}]>'.encode()
    xml = parts["word/document.xml"]
    start = xml.index(b"<w:document")
    parts["word/document.xml"] = bomb + xml[start:].replace(b"Innocent.", b"&e9;")
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    try:
        texts = [p.text for p in read("a.docx")]
    except NotReadable:
        texts = []
    assert sum(map(len, texts)) < 1000


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"\xd0\xcf\x11\xe0 an old .doc"])
def test_what_is_no_document_is_refused_with_a_sentence(read: Read, content: bytes) -> None:
    with pytest.raises(NotReadable, match=r"\.$"):
        read("a.docx", content)


def test_a_zip_of_something_else_is_refused_with_a_sentence(read: Read, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("photo.jpg", b"jpg")
    with pytest.raises(NotReadable, match=r"\.$"):
        read("a.docx")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.integers(0, 50_000), st.integers(0, 255))
def test_a_document_with_a_broken_byte_is_read_or_refused(
    read: Read, path: Path, place: int, byte: int
) -> None:
    document = docx.Document()
    document.add_paragraph("Owls hunt.")
    document.save(str(path))
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    with contextlib.suppress(NotReadable):
        assert len(read("a.docx", bytes(content))) <= 1
