"""Each graph in tests/graphs/broken says in its first lines what is found in it, and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runtime.config import load_settings
from runtime.extensions.loader import load_plugins
from runtime.graphs.findings import CODES, Finding
from runtime.graphs.library import GraphLibrary

ROOT = Path(__file__).parents[3]
BROKEN = sorted((ROOT / "tests" / "graphs" / "broken").glob("*.toml"))
EXPECTED = re.compile(r"# ([EW]\d\d) at (\d+):(\d+)(, and nothing else)?(?:: (.*))?")
ELSEWHERE = {"E17", "W02"}
"""A graph written in Python, and a file with more mistakes than anybody mends: no files here."""


@pytest.fixture(scope="module")
def library() -> GraphLibrary:
    """The library of the repository, with its own plugins and models."""
    settings = load_settings(ROOT)
    catalog = load_plugins(settings)
    return GraphLibrary(settings, lambda: catalog)


def expected(text: str) -> list[tuple[str, int, int, str]]:
    """Return what the first lines of a file say: code, line, column, and the remedy where it is told."""
    found = []
    for line in text.splitlines():
        match = EXPECTED.fullmatch(line)
        assert match, line
        found.append((match[1], int(match[2]), int(match[3]), match[5] or ""))
        if match[4]:
            return found
    raise AssertionError("the file does not say where its list ends")


@pytest.mark.parametrize("file", BROKEN, ids=[file.stem for file in BROKEN])
def test_what_is_broken_is_found_at_its_place_and_nothing_else(library: GraphLibrary, file: Path) -> None:
    found = sorted(library.check([file]))
    wanted = expected(file.read_text())
    assert [(each.code, each.line, each.col) for each in found] == [each[:3] for each in wanted], found
    for finding, (*_, remedy) in zip(found, wanted, strict=True):
        assert finding.help == remedy or not remedy
        assert is_well_said(finding), finding


def is_well_said(finding: Finding) -> bool:
    """Whether a finding is one sentence without a full stop, and one remedy that is not empty."""
    sentence = finding.message[:1].islower() or not finding.message[:1].isalpha()
    return (
        sentence and not finding.message.endswith(".") and "; " not in finding.message and finding.help != ""
    )


def test_there_is_a_broken_graph_for_every_code() -> None:
    codes = {each[0] for file in BROKEN for each in expected(file.read_text())}
    assert codes | ELSEWHERE == set(CODES)


def test_no_finding_repeats_a_secret(library: GraphLibrary) -> None:
    for file in BROKEN:
        if file.stem.startswith("secret_pasted"):
            told = "".join(map(str, library.check([file])))
            assert told
            assert "ghp_" not in told
            assert "sk-" not in told
