"""Versions are what decides, and a run can keep the one it started with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import GraphError, NotFound
from runtime.graphs.library import GraphLibrary
from runtime.graphs.source import Unreadable, read_source

Make = Callable[..., GraphLibrary]


def test_a_version_changes_with_the_text_and_with_nothing_else(library: Make, good: str) -> None:
    first, again = library(good=good).get("good").version, library(good=good).get("good").version
    changed = library(good=good.replace("Asks,", "Asked,")).get("good").version
    assert first == again != changed


def test_a_version_changes_with_the_parameters_of_a_plugin_it_uses(
    library: Make, good: str, tmp_path: Path
) -> None:
    step = '[node.mark]\nuse = "scorer.fit"\nemployees = 5\nsave = ["score"]\nnext = "end"\n'
    text = good.replace('[node.mark]\nuse  = "set"\nset  = { tags = "hot" }\nnext = "decide"\n', step)
    first = library(good=text).get("good").version
    plugin = tmp_path / "plugins" / "things.py"
    plugin.write_text(plugin.read_text().replace("default=500", "default=400"))
    assert library(good=text).get("good").version != first


def test_nothing_is_read_before_somebody_asks(library: Make, good: str, tmp_path: Path) -> None:
    made = library(good=good)
    (tmp_path / "graphs" / "good.toml").write_text("graph = ")
    assert made.files() == ["good"]
    assert [finding.code for finding in made.findings()] == ["E01"]


def test_a_thing_that_is_no_file_is_not_read_for_ever(library: Make, tmp_path: Path) -> None:
    made = library(good="")
    (tmp_path / "graphs" / "good.toml").unlink()
    os.mkfifo(tmp_path / "graphs" / "good.toml")
    (finding,) = made.findings()
    assert "no file with text in it; move it away" in str(finding)


def test_a_huge_file_is_refused_without_being_read_whole(library: Make, tmp_path: Path) -> None:
    made = library(good="")
    with (tmp_path / "graphs" / "good.toml").open("wb") as file:
        file.truncate(1 << 40)
    (finding,) = made.findings()
    assert "over 1024 KiB; split it" in str(finding)


def test_a_link_that_leads_nowhere_is_a_mistake(library: Make, tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "good.toml").symlink_to("nowhere")
    (finding,) = library().findings()
    assert "cannot be read (No such file or directory); mend that or move it away" in str(finding)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "good.toml"
    file.write_text("half")
    looked: list[int] = []

    def look(descriptor: int) -> os.stat_result:
        looked.append(descriptor)
        if len(looked) == 2:  # after the first reading
            file.write_text("half and half")
        return stat(descriptor)

    stat = os.fstat
    monkeypatch.setattr("os.fstat", look)
    assert read_source(file) == b"half and half"


def test_a_file_that_never_stands_still_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "good.toml"
    file.write_text("more")

    def look(descriptor: int) -> os.stat_result:
        with file.open("a") as opened:
            opened.write("more")
        return stat(descriptor)

    stat = os.fstat
    monkeypatch.setattr("os.fstat", look)
    with pytest.raises(Unreadable, match="changes all the time") as refused:
        read_source(file)
    assert refused.value.help == "save it once more when nobody else writes it"


def test_a_graph_with_mistakes_is_refused_and_the_others_run(library: Make, good: str) -> None:
    made = library(good=good, bad="graph = ")
    assert made.names() == ["good"]
    assert list(made.problems()) == ["bad"]
    with pytest.raises(GraphError, match=r"graphs/bad.toml:1:\d+"):
        made.get("bad")


def test_an_unknown_graph_is_one_sentence_with_what_was_meant(library: Make, good: str) -> None:
    with pytest.raises(NotFound, match=r"^There is no graph god; did you mean good\?$"):
        library(good=good).get("god")
    with pytest.raises(NotFound, match=r"^There is no graph other; there is good\.$"):
        library(good=good).get("other")
