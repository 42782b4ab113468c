"""The schema for editors knows the plugins that are loaded, and Taplo finds with it what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from runtime.config import load_settings
from runtime.extensions.loader import load_plugins
from runtime.graphs.check import BUILT_IN
from runtime.graphs.editor_schema import editor_schema
from runtime.types import JsonObject

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "graphs").glob("*.toml"))
TAPLO = Path(sys.executable).with_name("taplo")


@pytest.fixture(scope="module")
def schema() -> JsonObject:
    """The schema of the repository as a workspace."""
    settings = load_settings(ROOT)
    return editor_schema(load_plugins(settings), settings.models, [path.stem for path in SHIPPED])


def lint(schema: JsonObject, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Check a graph with Taplo, as an editor does."""
    (folder / "graph.schema.json").write_text(json.dumps(schema))
    (folder / "graph.toml").write_text(text)
    command = [str(TAPLO), "lint", "--no-auto-config", "--schema", (folder / "graph.schema.json").as_uri()]
    return subprocess.run(
        [*command, str(folder / "graph.toml")], capture_output=True, text=True, timeout=60, check=False
    )


def step(schema: JsonObject, use: str) -> JsonObject:
    steps = schema["properties"]["node"]["additionalProperties"]["oneOf"]
    found: JsonObject = next(each for each in steps if each["properties"]["use"]["const"] == use)
    return found


def test_it_is_a_schema(schema: JsonObject) -> None:
    jsonschema.Draft7Validator.check_schema(schema)


def test_it_describes_the_parameters_of_plugins_with_their_defaults(schema: JsonObject) -> None:
    hybrid = step(schema, "retriever.hybrid")
    assert {"query", "top_k", "collection", "save", "next"} <= set(hybrid["properties"])
    assert hybrid["properties"]["top_k"]["default"] == 5
    assert hybrid["description"]
    assert "writer" in step(schema, "llm")["properties"]["model"]["enum"]
    assert step(schema, "agent")["required"] == ["use", "model", "prompt", "tools"]
    assert step(schema, "graph")["properties"]["graph"]["enum"] == [path.stem for path in SHIPPED]


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_an_editor_finds_nothing_wrong_with_a_graph_that_is_shipped(
    schema: JsonObject, path: Path, tmp_path: Path
) -> None:
    done = lint(schema, path.read_text(), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("top_k      = 5", 'top_k      = "five"'),
        ("top_k      = 5", "topk       = 5"),
        ('use        = "retriever.hybrid"', 'use        = "retriever.hybird"'),
        ('model     = "writer"', 'model     = "writr"'),
        ("max_steps = 12", "max_steps = 0"),
        ('passages = "list"', 'passages = "lists"'),
        ("[[test]]", "[[tests]]"),
    ],
)
def test_an_editor_finds_what_is_wrong(schema: JsonObject, tmp_path: Path, old: str, new: str) -> None:
    text = (ROOT / "graphs" / "ask.toml").read_text()
    assert old in text
    assert lint(schema, text.replace(old, new, 1), tmp_path).returncode == 1


def test_it_knows_every_kind_of_step(schema: JsonObject) -> None:
    steps = schema["properties"]["node"]["additionalProperties"]["oneOf"]
    assert set(BUILT_IN) <= {each["properties"]["use"]["const"] for each in steps}
