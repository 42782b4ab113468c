"""The graphs that are shipped: their own tests pass, and they run offline, without an account anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engine import Engine, open_engine
from runtime.graphs.library import GraphLibrary
from runtime.graphs.rehearse import try_out
from runtime.records import Run, RunStatus
from runtime.runs.answers import Answer
from runtime.runs.run import StartRun
from runtime.search import IndexRequest
from runtime.settings import PluginsSettings, Settings
from runtime.types import JsonObject

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "graphs").glob("*.toml"))

Open = Callable[..., Any]


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Open]:
    """Open an engine on the shipped graphs, with settings of the office."""
    opened: list[Engine] = []
    (tmp_path / "graphs").mkdir()
    for name in SHIPPED:
        (tmp_path / "graphs" / f"{name}.toml").write_text((ROOT / "graphs" / f"{name}.toml").read_text())

    async def make(**office: int) -> Engine:
        plugins = PluginsSettings(folder=tmp_path / "plugins", tables={"office": office})
        settings = Settings(workspace=tmp_path, plugins=plugins)
        storage = settings.storage.model_copy(update={"path": tmp_path / "var"})
        opened.append(await open_engine(settings.model_copy(update={"storage": storage})))
        return opened[-1]

    yield make
    for engine in opened:
        await engine.aclose()


async def _run(engine: Engine, graph: str, **input: Any) -> Run:
    run = await engine.runs.start(StartRun("default", graph, thread="t", input=input))
    return await engine.runs.wait("default", run.id)


async def _told(engine: Engine, name: str) -> list[JsonObject]:
    events = await engine.journal.events("t", after=0, limit=1000)
    return [e.data["payload"] for e in events if e.method == "custom" and e.data["name"] == name]


@pytest.mark.parametrize("name", SHIPPED)
async def test_its_tests_pass_and_it_has_no_mistake_and_under_a_hundred_and_twenty_lines(name: str) -> None:
    library = GraphLibrary(Settings(workspace=ROOT), _catalog())
    assert library.check([ROOT / "graphs" / f"{name}.toml"]) == []
    version: Any = library.get(name)
    report = await try_out(version.spec)
    assert report.verdicts
    assert [failed for verdict in report.verdicts for failed in verdict.failed] == []
    assert version.spec.document.text.partition("[[test]]")[0].count("\n") < 120


def _catalog() -> Any:
    from runtime.extensions.loader import load_plugins

    loaded = load_plugins(Settings(workspace=ROOT))
    return lambda: loaded


async def test_write_asks_an_editor_and_takes_the_answer(workspace: Open) -> None:
    engine = await workspace()
    run = await _run(engine, "write", topic="piers", channels=["email"])
    assert run.status is RunStatus.INTERRUPTED
    (question,) = run.waiting
    assert set(question.value["show"]) == {"post", "critique", "brand", "note"}
    answer = Answer({question.id: {"choice": "publish", "note": "fine"}})
    resumed = await engine.runs.respond("default", "t", answer)
    ended = await engine.runs.wait("default", resumed.id)
    assert ended.output
    assert ended.output["decision"] == {"choice": "publish", "note": "fine"}


async def test_write_says_offline_what_the_model_cannot_do(workspace: Open) -> None:
    engine = await workspace()
    run = await _run(engine, "write", topic="piers", channels=["email"])
    resumed = await engine.runs.respond("default", "t", Answer({run.waiting[0].id: {"choice": "publish"}}))
    output = (await engine.runs.wait("default", resumed.id)).output
    assert output
    assert output["model"] == "extractive"
    assert output["note"] == (
        "The model extractive quotes, it does not write; name one that writes in [models.writer]."
    )
    assert output["critique"]["judged"] is False
    assert "The model extractive cannot judge" in " ".join(output["critique"]["reasons"])
    assert output["variants"] == [
        {
            "channel": "email",
            "model": "extractive",
            "text": "",
            "note": "The model extractive cannot rewrite; name one that can in [models.writer].",
        }
    ]


async def test_search_finds_counts_marks_and_corrects(workspace: Open, tmp_path: Path) -> None:
    engine = await workspace()
    (tmp_path / "birds.jsonl").write_text(
        '{"id": "owl", "text": "Owls hunt at night.", "kind": "bird"}\n'
        '{"id": "bat", "text": "Bats hunt at night.", "kind": "mammal"}\n'
    )
    async for _ in engine.search.index(IndexRequest("default", "docs", [str(tmp_path / "birds.jsonl")])):
        pass
    run = await _run(
        engine, "search", question="hunt owlz", top_k=1, facets=["kind"], mmr=0.2, filter={"kind": "bird"}
    )
    assert run.output
    (hit,) = run.output["hits"]
    assert (hit["source"]["id"], hit["degraded"], list(hit["scores"])) == ("owl", True, ["keyword"])
    assert hit["highlights"][0]["html"] == "Owls <mark>hunt</mark> at night."
    assert run.output["facets"] == {"kind": [{"value": "bird", "count": 1}]}
    assert (run.output["did_you_mean"], run.output["mode"]) == ("hunt owls", "keyword")


async def test_search_refuses_facets_that_are_no_names(workspace: Open) -> None:
    run = await _run(await workspace(), "search", question="owls", facets="kind")
    assert run.error
    assert "facets" in run.error["message"]


async def test_triage_answers_every_ticket_in_order(workspace: Open) -> None:
    run = await _run(await workspace(), "triage", tickets=["How do I log in?", "Who won?", "Export?"])
    assert run.output
    assert run.output["report"] == "3 of 3 tickets answered, 0 failed"
    assert [each["ticket"] for each in run.output["answers"]] == ["How do I log in?", "Who won?", "Export?"]


async def test_onboard_prepares_everything(workspace: Open) -> None:
    run = await _run(await workspace(), "onboard", name="Ann")
    assert run.output == {"welcome": "Welcome, Ann: desk desk-1, account account-1, laptop laptop-1"}


async def test_onboard_gives_everything_back_when_one_thing_cannot_be_had(workspace: Open) -> None:
    engine = await workspace(laptops=0, desks=1)
    run = await _run(engine, "onboard", name="Ann")
    assert run.error
    assert "No laptop is left" in run.error["message"]
    done = [each for each in await _told(engine, "undo") if each["event"] == "completed"]
    assert [(each["by"], each["result"]) for each in done] == [
        ("release_desk", {"given_back": True}),
        ("close_account", {"given_back": True}),
    ]
