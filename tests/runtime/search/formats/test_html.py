"""Reading HTML."""

from collections.abc import Callable

import pytest

from runtime.search.data import Piece
from runtime.search.formats import html
from runtime.search.formats.source import NotReadable

Read = Callable[..., list[Piece]]

PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>The site</title>
<style>p { color: red }</style><script>var secret = 1;</script></head>
<body>
<header><div>Logo</div></header>
<nav><a href="/">Home</a></nav>
<p>An intro, before
any heading.</p>
<h1>Guide</h1>
<p>Some <b>bold</b> text.<br>And more.</p>
<h2>Install &amp; run</h2>
<ul><li>First do this.</li><li>Then that.</li></ul>
<p hidden>Not shown.</p>
<table><tr><th>Name</th><th>Age</th></tr><tr><td>Anna</td><td><p>31</p></td></tr></table>
<p>After the table.</p>
<pre>make demo
make test</pre>
<footer>Imprint</footer>
</body></html>
"""


def test_a_page_is_cut_at_headings_without_menus_and_scripts(read: Read) -> None:
    pieces = read("a.html", PAGE)
    assert [(p.title, p.line) for p in pieces] == [
        ("The site", 7),
        ("Guide", 10),
        ("Guide > Install & run", 12),
    ]
    assert pieces[0].text == "An intro, before any heading."
    assert pieces[1].text == "Some bold text. And more."
    assert pieces[2].text == (
        "- First do this.\n- Then that.\n| Name | Age |\n| Anna | 31 |\n\n"
        "After the table.\n\nmake demo\nmake test"
    )


def test_code_on_a_page_can_be_found_and_is_no_sentence(read: Read) -> None:
    piece = read("a.html", PAGE)[2]
    assert [piece.text[start:end] for start, end in piece.spans] == [
        "- First do this.",
        "- Then that.",
        "| Name | Age |",
        "| Anna | 31 |",
        "After the table.",
    ]


def test_of_a_page_with_a_main_part_only_that_is_read(read: Read) -> None:
    page = "<body><p>Around.</p><main><header><h1>Owls</h1></header><p>They hunt.</p></main><p>Below.</p>"
    assert [(p.title, p.text) for p in read("a.htm", page)] == [("Owls", "They hunt.")]


def test_one_of_several_articles_is_not_taken_for_the_page(read: Read) -> None:
    page = "<article>One.</article><article>Two.</article>"
    assert [p.text for p in read("a.html", page)] == ["One.\n\nTwo."]


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="windows-1252">', "cp1252"),
        ('<meta http-equiv="content-type" content="text/html; charset=ISO-8859-1">', "cp1252"),
        ("<meta charset=shift_jis>", "shift_jis"),
        ('<?xml version="1.0" encoding="ISO-8859-2"?>', "iso-8859-2"),
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ("<meta charset=no-such-thing>", "utf-8"),
        ("<meta charset=utf-16>", "utf-8"),
    ],
)
def test_the_encoding_is_the_one_that_the_page_names_or_has(read: Read, head: str, encoding: str) -> None:
    words = "東京都の天気" if encoding == "shift_jis" else "Größe über alles"
    (piece,) = read("a.html", f"{head}<p>{words}</p>".encode(encoding))
    assert piece.text == words


@pytest.mark.parametrize(
    "page", ["", "   ", "<html></html>", "<!-- nothing -->", "<p></p><script>x</script>"]
)
def test_an_empty_page_has_no_pieces(read: Read, page: str) -> None:
    assert read("a.html", page) == []


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>a\0b \U0001f989", "a b \U0001f989"),
        ("<p>open <b>tags <i>everywhere", "open tags everywhere"),
        ("no tags at all", "no tags at all"),
        ("<div>" * 1000 + "deep" + "</div>" * 1000, "deep"),
        ("before<!-- a comment -->after", "beforeafter"),
        ("&lt;b&gt; &copy; &#x1F989;", "<b> © \U0001f989"),
        ("<p>a <script>x</script>b</p>", "a b"),
    ],
)
def test_pages_that_are_not_as_they_should_be_are_read(read: Read, page: str, text: str) -> None:
    assert [p.text for p in read("a.html", page)] == [text]


def test_lines_of_a_long_page_point_into_its_source(read: Read) -> None:
    count = 70_000
    pieces = read("a.html", "\n".join(f"<p>Sentence of line {number}.</p>" for number in range(1, count + 1)))
    lines = [int(p.text.removeprefix("Sentence of line ").partition(".")[0]) for p in pieces]
    assert [p.line for p in pieces] == [min(line, 65_535) for line in lines]


def test_a_page_whose_tags_are_never_closed_says_what_is_left_out(
    read: Read, complaints: list[tuple[int, str]]
) -> None:
    assert [p.text for p in read("a.html", "<p>Above.</p>\n" + "<div>" * 3000 + "deep")] == ["Above."]
    assert complaints == [(2, "tags are nested too deep; close them. All that follows is left out.")]


def test_a_page_that_is_too_large_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "LARGEST", 10)
    with pytest.raises(NotReadable, match=r"\.$"):
        read("a.html", "<p>More than ten bytes.</p>")


def test_bytes_that_are_no_page_are_refused(read: Read) -> None:
    with pytest.raises(NotReadable, match="looks like a binary file"):
        read("a.html", bytes(range(256)) * 20)


@pytest.mark.parametrize("encoding", ["utf-16", "iso2022_jp", "shift_jis"])
def test_a_page_in_another_alphabet_is_no_binary_file(read: Read, encoding: str) -> None:
    page = f'<meta charset="{encoding}"><p>{"梟は夜に狩りをする。" * 20}</p>'
    (piece,) = read("a.html", page.encode(encoding))
    assert piece.text.startswith("梟は夜に")
