"""Reading PDF."""

import contextlib
import io
import zlib
from collections.abc import Callable

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.search.data import Piece
from runtime.search.formats import pdf
from runtime.search.formats.source import NotReadable

Read = Callable[..., list[Piece]]
Complaints = list[tuple[int, str]]
MakePdf = Callable[..., bytes]


def locked(content: bytes, password: str, algorithm: str = "RC4-128") -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(password, "owner", algorithm=algorithm)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_a_page_is_found_by_its_number_and_no_passage_crosses_it(read: Read, make_pdf: MakePdf) -> None:
    pieces = read("a.pdf", make_pdf("Owls hunt.\nAt night.", "Larks sing.", title="Birds"))
    assert [(p.title, p.text, p.page, p.line) for p in pieces] == [
        ("Birds", "Owls hunt.\nAt night.", 1, 1),
        ("Birds", "Larks sing.", 2, 1),
    ]


def test_a_word_that_was_cut_at_the_end_of_a_line_is_whole_again(read: Read, make_pdf: MakePdf) -> None:
    (piece,) = read("a.pdf", make_pdf("An exam-\nple of the X-\nRay and of 1-\n2."))
    assert piece.title == "a.pdf"
    assert piece.text == "An example of the X-\nRay and of 1-\n2."


def test_pages_without_text_are_said_when_they_are_pictures(
    read: Read, make_pdf: MakePdf, complaints: Complaints
) -> None:
    assert [p.page for p in read("a.pdf", make_pdf(None, "Text.", "", None))] == [2]
    assert complaints == [
        (0, "Pages 1, 4 are pictures without text; run text recognition (OCR) over the PDF.")
    ]


@pytest.mark.parametrize(("pages", "said"), [((None, None), "pictures"), (("", ""), "no text")])
def test_a_pdf_without_any_text_says_so(
    read: Read, make_pdf: MakePdf, complaints: Complaints, pages: tuple[str | None, ...], said: str
) -> None:
    assert read("a.pdf", make_pdf(*pages)) == []
    assert [line for line, sentence in complaints if said in sentence] == [0]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_a_pdf_with_a_password_is_refused_with_a_sentence(
    read: Read, make_pdf: MakePdf, algorithm: str
) -> None:
    with pytest.raises(NotReadable, match="encrypted; save a copy without a password"):
        read("a.pdf", locked(make_pdf("Secret."), "word", algorithm))


def test_a_pdf_that_asks_for_a_password_only_to_be_changed_is_read(read: Read, make_pdf: MakePdf) -> None:
    assert [p.text for p in read("a.pdf", locked(make_pdf("Open."), ""))] == ["Open."]


@pytest.mark.parametrize("content", [b"", b"%PDF", b"%PDF-1.4\n%%EOF", b"no PDF at all"])
def test_what_is_no_pdf_is_refused_with_a_sentence(read: Read, content: bytes) -> None:
    with pytest.raises(NotReadable, match=r"\.$"):
        read("a.pdf", content)


def test_a_pdf_that_ends_in_the_middle_is_refused_with_a_sentence(read: Read, make_pdf: MakePdf) -> None:
    with pytest.raises(NotReadable, match=r"\.$"):
        read("a.pdf", make_pdf("Text.")[:200])


def test_a_page_that_unpacks_to_too_much_is_said_and_the_others_are_read(
    read: Read, make_pdf: MakePdf, complaints: Complaints
) -> None:
    good = zlib.compress(b"BT /F1 12 Tf (Good.) Tj ET")
    bomb = zlib.compress(b" " * 100_000_000)
    pieces = read("a.pdf", make_pdf("", "", streams=(bomb, good)))
    assert [(p.page, p.text) for p in pieces] == [(2, "Good.")]
    assert complaints == [(0, "Page 1 cannot be read (LimitReachedError); save the PDF anew.")]


def test_a_pdf_that_is_too_large_is_refused(
    read: Read, make_pdf: MakePdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "LARGEST", 10)
    with pytest.raises(NotReadable, match=r"\.$"):
        read("a.pdf", make_pdf("Text."))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.integers(0, 900), st.integers(0, 255))
def test_a_pdf_with_a_broken_byte_is_read_or_refused_and_never_more(
    read: Read, make_pdf: MakePdf, place: int, byte: int
) -> None:
    content = bytearray(make_pdf("Owls hunt.", "Larks sing."))
    content[place % len(content)] = byte
    with contextlib.suppress(NotReadable):
        assert len(read("a.pdf", bytes(content))) <= 2
