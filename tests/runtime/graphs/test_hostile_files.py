"""Files that are too large, too long, strangely encoded or full of mistakes are answered with sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.graphs.findings import Finding
from runtime.graphs.library import GraphLibrary
from runtime.graphs.text_version import GraphVersion

Found = Callable[[bytes], list[Finding]]


@pytest.fixture
def found(library: Callable[..., GraphLibrary], tmp_path: Path) -> Found:
    """Return what is found in a file with these bytes."""
    made = library()

    def check(source: bytes) -> list[Finding]:
        path = tmp_path / "graphs" / "good.toml"
        path.write_bytes(source)
        return made.check([path])

    return check


def chain(steps: int) -> str:
    """Return a graph of so many steps, one after the other."""
    head = 'graph = "good"\nstart = "s0"\noutput = ["answer"]\n'
    head += '[input]\nquestion = "text"\n[state]\nanswer = "text"\n'
    body = (
        f'[node.s{n}]\nuse = "set"\nset = {{ answer = "{{{{ question }}}}" }}\nnext = "s{n + 1}"\n'
        for n in range(steps - 1)
    )
    last = f'[node.s{steps - 1}]\nuse = "set"\nset = {{ answer = "x" }}\nnext = "end"\n'
    return head + "".join(body) + last


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text + b"# " + b"x" * 5_000_000, "over 1024 KiB"),
        (lambda text: text.decode().encode("utf-16"), "saved as UTF-16"),
        (lambda text: text.replace(b"Asks", "Fragt höflich".encode("latin-1")), "is not UTF-8 from here on"),
        (lambda text: text.replace(b"Asks", b"A\x00sks"), "NUL byte"),
        (lambda text: b"a = " + b"[" * 50_000, "nested too deeply"),
        (lambda text: b".".join([b"a"] * 100) + b" = 1", "over 32 parts"),
    ],
    ids=["5 MB", "UTF-16", "Latin-1", "NUL", "brackets", "dots"],
)
def test_what_is_no_file_of_an_analyst_is_one_sentence(
    found: Found, good: str, change: Callable[[bytes], bytes], says: str
) -> None:
    (finding,) = found(change(good.encode()))
    assert (finding.code, says in finding.message) == ("E01", True), finding


@pytest.mark.parametrize("before", ["\ufeff", ""], ids=["a byte order mark", "none"])
def test_line_ends_and_byte_order_marks_of_windows_are_harmless(found: Found, good: str, before: str) -> None:
    windows = (before + good.replace("\n", "\r\n")).encode()
    assert found(windows) == []
    (finding,) = found(windows.replace(b"{{ lead.email }}", b"{{ lead.emial }}"))
    line = next(n for n, text in enumerate(good.splitlines(), 1) if "lead.email" in text)
    assert (finding.line, finding.col) == (line, len("for {{ ") + 1)


def test_2000_steps_are_checked_and_drawn(library: Callable[..., GraphLibrary]) -> None:
    from runtime.graphs.draw import as_text

    made = library(good=chain(2_000))
    assert made.findings() == []
    version = made.get("good")
    assert isinstance(version, GraphVersion)
    assert as_text(version.spec).count("->") == 2_001


def test_a_file_full_of_mistakes_tells_the_first_hundred(found: Found) -> None:
    findings = found(chain(2_000).replace('use = "set"', 'use = "sett"').encode())
    assert len(findings) == 101
    assert [finding.code for finding in findings if finding.code.startswith("W")] == ["W02"]
