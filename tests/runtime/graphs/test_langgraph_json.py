"""A `langgraph.json` is read and its graphs imported, or one sentence says what is wrong where."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import CannotStart
from runtime.graphs.application import import_graphs
from runtime.graphs.langgraph_json import Application, read_application

AGENT = """
import os
from langgraph.graph import START, StateGraph

builder = StateGraph(dict)
builder.add_node("step", lambda state: state)
builder.add_edge(START, "step")
graph = builder.compile()
number = 3

def make(config, runtime):
    return graph
"""

Write = Callable[..., Path]
Read = Callable[..., Application]


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what importing an application does to the process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(os, "environ", os.environ.copy())
    yield
    for name in [name for name in sys.modules if name.startswith("langgraph_app__")]:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a `langgraph.json` beside a module with a graph."""
    (tmp_path / "agent.py").write_text(AGENT)

    def made(**keys: Any) -> Path:
        path = tmp_path / "langgraph.json"
        path.write_text(json.dumps({"graphs": {"agent": "./agent.py:graph"}, **keys}))
        return path

    return made


def test_graphs_are_named_by_path_and_variable(write: Write, tmp_path: Path) -> None:
    told = {"agent": "./agent.py:graph", "other one": {"path": "agent.py:builder", "description": "Other."}}
    graphs = import_graphs(read_application(write(graphs=told)))
    assert [(graph.name, graph.about, graph.file) for graph in graphs] == [
        ("agent", "", str(tmp_path / "agent.py")),
        ("other one", "Other.", str(tmp_path / "agent.py")),
    ]


def test_a_module_may_be_named_with_dots(write: Write, tmp_path: Path) -> None:
    package = tmp_path / "source" / "dotted_application"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "parts.py").write_text("from langgraph.graph import StateGraph\nbuilder = StateGraph(dict)\n")
    (package / "graphs.py").write_text("from .parts import builder\n")
    told = {"agent": "dotted_application.graphs:builder"}
    (graph,) = import_graphs(read_application(write(graphs=told, dependencies=["./source"])))
    assert graph.file == str(package / "graphs.py")


def test_variables_are_set_unless_somebody_has_set_them(write: Write, tmp_path: Path) -> None:
    os.environ["MINE"] = "mine"
    (tmp_path / ".env").write_text("MINE=theirs\nTHEIRS='two words' # a remark\n")
    import_graphs(read_application(write(env=".env")))
    assert (os.environ["MINE"], os.environ["THEIRS"]) == ("mine", "two words")
    import_graphs(read_application(write(env={"NUMBER": 3})))
    assert os.environ["NUMBER"] == "3"


def test_what_is_not_used_here_is_said(write: Write) -> None:
    application = read_application(write(auth={}, python_version="3.11", dependencys=["."]))
    assert [sentence.partition("langgraph.json: ")[2] for sentence in application.odd] == [
        "auth is not used here: clients are known by [auth] in config.toml",
        "nobody knows the key dependencys; did you mean dependencies?",
    ]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"graphs": {}}, "graphs names no graph"),
        ({"graphs": {"a/b": "./agent.py:graph"}}, "graphs.a/b is no name"),
        ({"graphs": {"agent": 3}}, "graphs.agent is neither a text nor an object with a path"),
        ({"graphs": {"agent": "./agent.py"}}, "names no variable; write ./agent.py:graph"),
        ({"graphs": {"agent": "./agnet.py:graph"}}, "there is no file"),
        ({"graphs": {"agent": "./agent.ts:graph"}}, "JavaScript"),
        ({"dependencies": "."}, "dependencies is no list of texts"),
        ({"dependencies": ["./nowhere"]}, "there is no folder"),
        ({"env": "./.envv"}, "there is no file"),
        ({"env": ["A"]}, "env is neither a file nor an object"),
        ({"env": {"A": None}}, "env.A is no text"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_key(
    write: Write, keys: dict[str, Any], sentence: str
) -> None:
    path = write(**keys)
    with pytest.raises(CannotStart) as found:
        read_application(path)
    assert str(found.value).startswith(f"{path}: ")
    assert sentence in str(found.value)
    assert str(found.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[]", "it is not an object"), ('{"graphs":', "line 1 is not JSON"), (None, "read")],
)
def test_a_file_that_is_no_json_is_one_sentence(tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "langgraph.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CannotStart, match=sentence):
        read_application(path)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"graphs": {"agent": "./agent.py:grahp"}}, "has no variable grahp; did you mean graph?"),
        ({"graphs": {"agent": "./agent.py:number"}}, "number in ./agent.py is a int"),
        ({"graphs": {"agent": "./agent.py:make"}}, "other parameters than one for the config"),
        ({"graphs": {"agent": "./broken.py:graph"}}, "./broken.py:2 cannot be imported: ZeroDivisionError"),
        (
            {"graphs": {"agent": "./needy.py:graph"}},
            "./needy.py:1 imports no_such_thing, which is not installed",
        ),
        ({"dependencies": ["no-such-package>=3"]}, "no-such-package>=3, not installed here; run: "),
        ({"dependencies": [">="]}, "which is no requirement"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    write: Write, tmp_path: Path, keys: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "broken.py").write_text("one = 1\none / 0\n")
    (tmp_path / "needy.py").write_text("import no_such_thing\n")
    with pytest.raises(CannotStart) as found:
        import_graphs(read_application(write(**keys)))
    assert sentence in str(found.value)


def test_the_command_that_installs_is_that_of_the_application(write: Write, tmp_path: Path) -> None:
    (tmp_path / "needy.py").write_text("import no_such_thing\n")
    (tmp_path / "requirements.txt").write_text("no-such-thing\n")
    path = write(graphs={"agent": "./needy.py:graph"}, dependencies=["."])
    with pytest.raises(CannotStart, match=f"-r {tmp_path}/requirements.txt"):
        import_graphs(read_application(path))


def test_types_in_checkpoints_are_found_under_the_same_name_after_a_restart(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "my agent.py").write_text(AGENT)
    import_graphs(read_application(write(graphs={"agent": "./inner/my agent.py:graph"})))
    assert "langgraph_app__inner_my_agent" in sys.modules
