"""A step that wants JSON asks once more when it gets none, and then says where the mistake is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.records import RunStatus
from tests.runtime.runs.conftest import World

SLOPPY = '''"""A model whose first answers are no JSON."""

from hubbub import Delta, Usage, hookimpl


class Sloppy:
    name = "sloppy"

    def __init__(self):
        self.asked = []

    async def stream(self, request, ctx):
        self.asked.append(request)
        good = request.model == "mends" and len(request.messages) > 1
        yield Delta(text='{"city": "Oslo"}' if good else '{"city": Oslo}')
        yield Delta(usage=Usage(1, 1), finish="stop")


@hookimpl
def register_providers():
    return [Sloppy()]
'''
GRAPH = """
graph  = "{name}"
start  = "ask"
output = ["place"]

[input]
question = "text"

[state]
place = "object?"

[node.ask]
use     = "llm"
model   = "{name}"
prompt  = "{{{{ question }}}}"
returns = "json"
save    = "place"
next    = "end"
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An engine with a model that mends its JSON, and one that never does."""
    from runtime.settings import ModelAlias

    made = World(tmp_path)
    (tmp_path / "plugins" / "sloppy.py").write_text(SLOPPY)
    made.write(**{name: GRAPH.format(name=name) for name in ("mends", "never")})
    names = ("mends", "never")
    await made.open(models={name: ModelAlias.model_validate({"use": [f"sloppy:{name}"]}) for name in names})
    yield made
    await made.engine.aclose()


def asked(world: World) -> Any:
    """Return what the model was asked."""
    found = world.engine.catalog.get("provider", "sloppy")
    assert found
    return found.value.asked


async def test_broken_json_is_mended_by_one_more_question(world: World) -> None:
    started = await world.start("mends", input={"question": "where?"})
    run = await world.engine.runs.wait("default", started.id)
    assert (run.status, run.output) == (RunStatus.SUCCESS, {"place": {"city": "Oslo"}})
    first, second = asked(world)
    assert len(first.messages) == 1
    assert second.messages[1] == {"role": "assistant", "content": '{"city": Oslo}'}
    assert "line 1, column 10" in second.messages[2]["content"]


async def test_json_that_stays_broken_is_an_error_that_shows_where(world: World) -> None:
    started = await world.start("never", input={"question": "where?"})
    run = await world.engine.runs.wait("default", started.id)
    assert run.status is RunStatus.ERROR
    assert run.error
    assert 'line 1, column 10, at: {"city": ⏵Oslo}' in run.error["message"]
    assert len(asked(world)) == 2
