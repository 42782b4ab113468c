"""Versions are what decides, and a run can keep the one it started with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import GraphError, NotFound
from runtime.graphs.library import GraphLibrary

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


def test_a_kept_version_outlives_its_file(library: Make, good: str, tmp_path: Path) -> None:
    made = library(good=good)
    made.keep()
    version = made.get("good").version
    later = library(good=good.replace("Asks,", "Asked,"))
    assert later.get("good").version != version
    assert later.version("good", version).about == "Asks, decides, answers"
    (tmp_path / "graphs" / "good.toml").unlink()
    gone = library()
    assert gone.names() == []
    assert gone.version("good", version).about == "Asks, decides, answers"


def test_a_version_that_nobody_kept_is_refused_aloud(library: Make, good: str) -> None:
    with pytest.raises(NotFound, match="start a new run"):
        library(good=good).version("good", "0123456789abcdef")


def test_a_kept_version_that_was_tampered_with_is_refused(library: Make, good: str, tmp_path: Path) -> None:
    made = library(good=good)
    made.keep()
    version = made.get("good").version
    (tmp_path / "var" / "graphs" / f"good-{version}.toml").write_text(good.replace("Asks,", "Hacked,"))
    with pytest.raises(NotFound):
        library(good=good.replace("Asks,", "Asked,")).version("good", version)


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
