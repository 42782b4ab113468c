"""A workspace of graph files and plugins, and what its library says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.extensions.loader import load_plugins
from runtime.graphs.findings import Finding
from runtime.graphs.library import GraphLibrary
from runtime.settings import Settings

GOOD = """graph  = "good"
about  = "Asks, decides, answers"
start  = "ask"
output = ["answer"]
limits = { max_steps = 12, timeout = "5s" }

[input]
question = "text"
lead     = { type = "object", fields = { email = "text", country = "text?" }, default = { email = "a@b.co" } }

[settings]
hot = { type = "number", value = 0.8, min = 0, max = 1 }

[state]
answer = "text"
score  = "number?"
tags   = { type = "list", merge = "append" }

[node.ask]
use    = "llm"
model  = "writer"
prompt = \'\'\'
Answer {{ question }}
for {{ lead.email }}
\'\'\'
save   = "answer"
next   = "decide"

[node.decide]
use       = "branch"
max_loops = 2
when = [
  { if = "score > hot", go = "mark" },
  { else = "end" },
]

[node.mark]
use  = "set"
set  = { tags = "hot" }
next = "decide"
"""

PLUGIN = '''"""A scorer and a step with parameters of their own."""

from pydantic import BaseModel, Field

from hubbub import Score, StatePath, hookimpl


class Fit:
    name = "fit"

    class Params(BaseModel):
        big: int = Field(default=500, ge=1)

    async def score(self, item, ctx):
        return Score(min(1.0, item["employees"] / ctx.params.big), (f"{item['employees']} people",))


class Join:
    name = "join"

    class Params(BaseModel):
        text: str
        of: StatePath = None

    async def run(self, state, params, ctx):
        return {"answer": params.text + "".join(params.of or []), "unknown": 1}


@hookimpl
def register_scorers():
    return [Fit()]


@hookimpl
def register_steps():
    return [Join()]
'''


@pytest.fixture
def library(tmp_path: Path) -> Callable[..., GraphLibrary]:
    """Make the library of a workspace with these graph files: their text by name."""

    def make(**texts: str) -> GraphLibrary:
        for folder in ("graphs", "plugins"):
            (tmp_path / folder).mkdir(exist_ok=True)
        plugin = tmp_path / "plugins" / "things.py"
        if not plugin.exists():
            plugin.write_text(PLUGIN)
        for name, text in texts.items():
            (tmp_path / "graphs" / f"{name}.toml").write_text(text)
        settings = Settings(workspace=tmp_path)
        settings = settings.model_copy(
            update={
                "storage": settings.storage.model_copy(update={"path": tmp_path / "var"}),
                "plugins": settings.plugins.model_copy(update={"folder": tmp_path / "plugins"}),
            }
        )
        catalog = load_plugins(settings)
        return GraphLibrary(settings, lambda: catalog)

    return make


@pytest.fixture
def check(library: Callable[..., GraphLibrary]) -> Callable[[str], list[Finding]]:
    """Return what is found in the good graph after a change."""

    def found(text: str) -> list[Finding]:
        return library(good=text).findings()

    return found


@pytest.fixture
def good() -> str:
    """A graph without a mistake."""
    return GOOD
