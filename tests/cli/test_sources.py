"""What the command line shows of an answer's sources."""

from hub.cli.chat import describe_sources


def test_a_source_is_shown_with_its_line_or_the_page_of_its_pdf() -> None:
    sources = [
        {"number": 2, "source": {"path": "a.md", "line": 7, "title": "Owls"}},
        {"source": {"path": "b.pdf", "line": 3, "page": 12, "title": "Larks"}},
        {"id": "c"},
    ]
    assert describe_sources(sources) == ["  [2] a.md:7  Owls", "  [2] b.pdf, page 12  Larks", "  [3] c"]
