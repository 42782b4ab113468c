"""Graphs written in Python as versions: their names, shapes, schemas and drawings."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from typing_extensions import TypedDict

from runtime.errors import CannotStart, GraphError
from runtime.extensions.loader import load_plugins
from runtime.graphs.authored import AuthoredGraph, graph_misfit, named_graphs
from runtime.graphs.draw import drawing_as_mermaid, drawing_as_text
from runtime.graphs.library import GraphLibrary
from runtime.graphs.opening import add_python_graphs
from runtime.graphs.python import PythonVersion, version_of
from runtime.settings import GraphsSettings, Settings


class Two(TypedDict):
    question: str
    found: Annotated[list[str], operator.add]


async def look(state: Any) -> dict[str, Any]:
    return {"found": [state["question"]]}


async def again(state: Any) -> dict[str, Any]:
    return {"found": []}


def built(*nodes: Any, state: Any = Two, **named: Any) -> Any:
    builder: Any = StateGraph(state)
    for name, node in {**{node.__name__: node for node in nodes}, **named}.items():
        builder.add_node(name, node)
    builder.add_edge(START, next(iter(builder.nodes)))
    return builder


async def version(value: Any, file: str = "") -> PythonVersion:
    return await version_of(AuthoredGraph("tried", value, file, "somewhere"))


# --------------------------------------------------------------------------- what authors hand over


def test_a_mapping_gives_names_and_a_list_takes_those_of_the_graphs() -> None:
    graph = built(look)
    by_name = named_graphs({"mine": graph})
    by_itself = named_graphs([graph.compile(name="its_own")])
    assert isinstance(by_name, list)
    assert isinstance(by_itself, list)
    assert [found.name for found in by_name + by_itself] == ["mine", "its_own"]


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (built(look), "returns StateGraph; return a mapping"),
        ([built(look)], "returns the graph StateGraph, which has no name of its own"),
        ([built(look).compile()], "which has no name of its own; give it one with .compile"),
        ("agent", "returns str"),
    ],
)
def test_graphs_without_a_name_are_refused(result: Any, sentence: str) -> None:
    words = named_graphs(result)
    assert isinstance(words, str)
    assert sentence in words


async def coroutine() -> None: ...


async def same(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs


async def yields() -> AsyncIterator[Any]:
    yield built(look)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (3, "is a int; give a StateGraph"),
        (StateGraph, "is a StateGraph; give"),
        (RunnableLambda(lambda x: x), "is a RunnableLambda"),
        (yields, "asynccontextmanager above it"),
        (lambda config, runtime: None, "other parameters"),
        (lambda *, config: None, "other parameters"),
    ],
)
def test_what_is_no_graph_and_makes_none_is_refused(value: Any, sentence: str) -> None:
    assert sentence in graph_misfit(value)


def test_a_coroutine_is_refused_with_the_remedy() -> None:
    assert "without calling it" in graph_misfit(coroutine())


@pytest.mark.parametrize(
    "value",
    [
        built(look),
        built(look).compile(),
        lambda: built(look),
        lambda config: built(look),
        asynccontextmanager(yields),
        entrypoint()(same),
    ],
)
async def test_every_kind_of_graph_becomes_a_version(value: Any) -> None:
    assert graph_misfit(value) == ""
    found = await version(value)
    assert found.compiled(None).get_name() == "tried"


async def broken() -> None:
    raise OSError("no such server")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (broken, "the graph tried cannot be made: OSError: no such server; mend that."),
        (lambda: 3, "is made by a function that gives a int; return a StateGraph"),
        (StateGraph(Two), "cannot be made: ValueError"),
    ],
)
async def test_a_graph_that_cannot_be_made_is_one_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(GraphError) as found:
        await version(value)
    assert sentence in str(found.value)


# --------------------------------------------------------------------------- versions


class Handle:
    """Nothing that pydantic knows."""


class Strange(TypedDict):
    handle: Handle


class Three(Two):
    more: str


class Retyped(TypedDict):
    question: int
    found: Annotated[list[str], operator.add]


class Replaced(TypedDict):
    question: str
    found: list[str]


async def test_the_same_shape_is_the_same_version_in_every_process() -> None:
    assert (await version(built(look))).version == (await version(built(look))).version


@pytest.mark.parametrize(
    "other",
    [
        built(look, again),
        built(other=look),
        built(look, state=Three),
        built(look, state=Retyped),
        built(look, state=Replaced),
        built(look=built(again).compile()),
    ],
    ids=["step", "name", "field", "type", "reducer", "subgraph"],
)
async def test_another_shape_is_another_version_that_nothing_continues_on(other: Any) -> None:
    first, second = await version(built(look)), await version(other)
    assert not second.continues(first.version)
    assert first.version != second.version


async def test_another_text_is_another_version_on_which_runs_go_on(tmp_path: Path) -> None:
    file = tmp_path / "agent.py"
    file.write_text("1")
    first = await version(built(look), str(file))
    file.write_text("2")
    second = await version(built(look), str(file))
    assert first.version != second.version
    assert second.continues(first.version)


async def test_a_graph_that_calls_itself_has_a_shape() -> None:
    made: dict[str, Any] = {}

    async def itself(state: Any) -> Any:
        return await made["graph"].ainvoke(state)

    recursive = built(itself).compile()
    made["graph"] = recursive
    assert (await version(recursive)).version


# --------------------------------------------------------------------------- schemas and drawings


async def test_schemas_are_those_of_the_declared_types() -> None:
    found = await version(built(look))
    assert set(found.input_schema["properties"]) == {"question", "found"}
    assert found.state_schema["properties"]["question"]["type"] == "string"
    assert (found.config_schema, found.context_schema) == (None, None)


async def test_what_is_no_object_is_the_one_field_of_one() -> None:
    @entrypoint()
    async def shout(text: str) -> str:
        return text.upper()

    found = await version(shout)
    assert found.input_schema["properties"]["input"]["type"] == "string"
    assert found.output_schema["properties"]["output"]["type"] == "string"
    assert found.visible("LOUD") == {"output": "LOUD"}


async def test_a_type_without_a_schema_is_any_object() -> None:
    found = await version(built(look, state=Strange))
    assert found.state_schema["properties"].keys() == {"handle"}


async def test_a_message_can_be_sent_to_graphs_that_keep_messages() -> None:
    async def talk(state: MessagesState) -> dict[str, Any]:
        return {}

    assert (await version(built(talk, state=MessagesState))).conversation == "messages"
    assert (await version(built(look))).conversation is None


async def test_a_drawing_shows_the_graphs_inside() -> None:
    drawn = (await version(built(inner=built(look).compile()))).drawn(xray=True)
    assert drawing_as_text("tried", drawn) == (
        "tried\n\n  start\n    -> inner:look\n\n  inner:look\n    -> end"
    )
    assert drawing_as_mermaid(drawn).splitlines()[-2:] == [
        "    step_0 --> step_2",
        "    step_2 --> step_1",
    ]


# --------------------------------------------------------------------------- the library

PLUGIN = """
from langgraph.graph import START, StateGraph
from hubbub import hookimpl

async def look(state): return state

def built():
    return StateGraph(dict).add_node(look).add_edge(START, "look")

def broken():
    raise OSError("no such server")

@hookimpl
def register_graphs():
    return {"mine": built(), "broken": broken, "good": built}
"""

Library = Callable[..., GraphLibrary]


async def filled(library: Library, tmp_path: Path, **graphs: Any) -> GraphLibrary:
    """Return the library of a workspace with the plugin, filled with its graphs."""
    found = library(**graphs)
    settings = found._settings
    await add_python_graphs(found, load_plugins(settings), settings)
    return found


@pytest.fixture
def plugin(tmp_path: Path) -> None:
    """A plugin that supplies graphs."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "agents.py").write_text(PLUGIN)


@pytest.mark.usefixtures("plugin")
async def test_a_plugins_graph_is_there_and_one_that_cannot_be_made_is_named(
    library: Library, tmp_path: Path
) -> None:
    found = await filled(library, tmp_path)
    assert found.names() == ["mine", "good"]
    (problem,) = found.problems()["broken"]
    assert (problem.code, problem.file, problem.line) == ("E17", "plugins/agents.py", 13)
    assert "no such server" in problem.message


@pytest.mark.usefixtures("plugin")
async def test_the_graph_file_wins_over_a_plugins_graph_of_its_name(
    library: Library, tmp_path: Path, good: str
) -> None:
    found = await filled(library, tmp_path, good=good)
    assert found.get("good").file.endswith("good.toml")


async def test_an_application_that_cannot_be_served_keeps_the_hub_from_starting(
    library: Library, tmp_path: Path
) -> None:
    found = library()
    settings = found._settings.model_copy(
        update={"graphs": GraphsSettings(langgraph=tmp_path / "langgraph.json")}
    )
    with pytest.raises(CannotStart, match="cannot be read"):
        await add_python_graphs(found, load_plugins(settings), settings)


def test_the_setting_is_a_path_in_the_workspace(tmp_path: Path) -> None:
    assert Settings(workspace=tmp_path).graphs.langgraph is None
