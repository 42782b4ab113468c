"""The graph write against a model behind a real socket: drafts, critic, brand, editor and channels."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from llmock.scenarios import Match, Reply
from llmock.testing import LLMockServer

from runtime.engine import Engine, open_engine
from runtime.records import RunStatus
from runtime.runs.answers import Answer
from runtime.runs.run import StartRun
from runtime.search import IndexRequest
from runtime.settings import Settings
from tests.vendors.conftest import MARKER

GRAPHS = Path(__file__).parents[2] / "graphs"
WRITER, JUDGE = "gpt-4o", "gpt-4o-mini"
RULES = 4
PATIENCE = {"first_token_timeout": "100s", "attempt_timeout": "100s", "timeout": "100s"}
"""A machine that is busy with other tests is no vendor that is slow."""


@pytest.fixture
async def engine(tmp_path: Path, llmock: LLMockServer) -> AsyncIterator[Engine]:
    """An engine whose writer and judge are played by llmock, with one document and rules of a brand."""
    (tmp_path / "graphs").mkdir()
    for name in ("write", "channels"):
        (tmp_path / "graphs" / f"{name}.toml").write_text((GRAPHS / f"{name}.toml").read_text())
    (tmp_path / "owls.md").write_text("# Owls\nOwls hunt mice at night.\n")
    settings = Settings.model_validate(
        {
            "workspace": tmp_path,
            "storage": {"path": tmp_path / "var"},
            "models": {
                "writer": {"use": [f"openai:{WRITER}"], **PATIENCE},
                "judge": {"use": [f"openai:{JUDGE}"], **PATIENCE},
            },
            "plugins": {
                "folder": tmp_path / "plugins",
                "tables": {
                    "openai": {"api_key": MARKER, "base_url": llmock.base_url("openai")},
                    "brand": {
                        "never": ["cheap"],
                        "say": {"e-mail": "email"},
                        "disclaimer": "Owls bite.",
                    },
                },
            },
        }
    )
    opened = await open_engine(settings)
    async for _ in opened.search.index(IndexRequest("default", "docs", [str(tmp_path / "owls.md")])):
        pass
    yield opened
    await opened.aclose()


def says(llmock: LLMockServer, model: str, *texts: str) -> None:
    llmock.state.scenarios.add(*(Reply(text=text, match=Match(model=model)) for text in texts))


def verdicts(*broken: int) -> str:
    said = [{"rule": n, "kept": n not in broken, "advice": "Cite it."} for n in range(1, RULES + 1)]
    return json.dumps({"verdicts": said})


def prompts(llmock: LLMockServer, model: str) -> list[str]:
    """Return what the model was asked, oldest first."""
    records = llmock.state.journal.records(wait=2)
    return [record.body["messages"][-1]["content"] for record in records if record.model == model]


async def drafted(engine: Engine, **input: Any) -> Any:
    run = await engine.runs.start(StartRun("default", "write", thread="t", input=input))
    return await engine.runs.wait("default", run.id)


async def answered(engine: Engine, run: Any, choice: str, note: str = "") -> Any:
    answer = Answer({run.waiting[0].id: {"choice": choice, "note": note}})
    resumed = await engine.runs.respond("default", "t", answer)
    return await engine.runs.wait("default", resumed.id)


async def test_a_post_goes_from_the_brief_to_its_channels(engine: Engine, llmock: LLMockServer) -> None:
    says(llmock, WRITER, "Cheap owls.", "Owls hunt by e-mail.", "Owls hunt at night [1].")
    says(llmock, JUDGE, verdicts(), verdicts(2), verdicts())
    run = await drafted(engine, topic="owls at night", tone="formal", channels=["email", "social"])
    assert run.status is RunStatus.INTERRUPTED, run.error
    shown = run.waiting[0].value["show"]
    assert shown["post"] == "Owls hunt at night [1].\n\nOwls bite."
    assert (shown["critique"]["score"], shown["brand"], shown["note"]) == (1.0, "", "")
    first, second, third = prompts(llmock, WRITER)
    assert "formal" in first
    assert "Owls hunt mice at night." in first
    assert 'The text says "cheap", which the brand never says.' in second
    assert "Owls hunt by email." in third
    assert "Cite it." in third

    says(llmock, WRITER, "Subject: Owls", "Cheap owls!", "Cheap owls?", "Still cheap.")
    ended = await answered(engine, run, "publish")
    output = ended.output
    assert output["model"] == f"openai:{WRITER}"
    assert [(source["number"], source["source"]["path"]) for source in output["sources"]] == [(1, "owls.md")]
    assert [each["channel"] for each in output["variants"]] == ["email", "social"]
    assert {(each["text"], each["note"]) for each in output["variants"]} == {
        ("Subject: Owls\n\nOwls bite.", ""),
        ("", 'It was refused: The text says "cheap", which the brand never says.'),
    }


async def test_a_variant_that_is_too_long_for_its_channel_is_written_again(
    engine: Engine, llmock: LLMockServer
) -> None:
    says(llmock, WRITER, "Owls hunt [1].", "Owls. " * 60, "Owls.")
    says(llmock, JUDGE, verdicts())
    ended = await answered(engine, await drafted(engine, topic="owls", channels=["Social"]), "publish")
    assert [(each["text"], each["note"]) for each in ended.output["variants"]] == [
        ("Owls.\n\nOwls bite.", "")
    ]
    assert "characters; Social takes at most 280." in prompts(llmock, WRITER)[-1]


async def test_a_source_that_was_not_given_is_asked_back_and_then_refused(
    engine: Engine, llmock: LLMockServer
) -> None:
    says(llmock, WRITER, "Owls [9].", "Owls [1].")
    says(llmock, JUDGE, verdicts(), verdicts())
    shown = (await drafted(engine, topic="owls")).waiting[0].value["show"]
    assert shown["post"].startswith("Owls [1].")
    assert "The text cites [9], but the sources are [1] to [1]" in prompts(llmock, WRITER)[-1]

    says(llmock, WRITER, *["Owls [9]."] * 4)
    says(llmock, JUDGE, *[verdicts()] * 4)
    run = await engine.runs.start(StartRun("default", "write", thread="u", input={"topic": "owls"}))
    ended = await engine.runs.wait("default", run.id)
    assert ended.status is RunStatus.ERROR
    assert ended.error is not None
    assert "The text cites [9], but the sources are [1] to [1]" in ended.error["message"]


async def test_the_editor_may_send_it_back_with_a_note(engine: Engine, llmock: LLMockServer) -> None:
    says(llmock, WRITER, "Owls hunt [1].", "Owls [1].")
    says(llmock, JUDGE, verdicts(), verdicts())
    run = await answered(engine, await drafted(engine, topic="owls"), "change", "Shorter, please.")
    assert run.waiting[0].value["show"]["post"].startswith("Owls [1].")
    assert "Shorter, please." in prompts(llmock, WRITER)[-1]
    ended = await answered(engine, run, "reject")
    assert ended.output["decision"]["choice"] == "reject"
    assert not ended.output["variants"]


async def test_a_critic_that_gives_no_verdicts_leaves_it_to_the_editor(
    engine: Engine, llmock: LLMockServer
) -> None:
    says(llmock, WRITER, "Owls hunt [1].")
    says(llmock, JUDGE, "Nice!", "Really nice!")
    critique = (await drafted(engine, topic="owls")).waiting[0].value["show"]["critique"]
    assert critique["judged"] is False
    assert "cannot judge" in " ".join(critique["reasons"])


async def test_sources_that_are_given_are_what_is_written_from_and_cited(
    engine: Engine, llmock: LLMockServer
) -> None:
    says(llmock, WRITER, "Larks sing at dawn [1].")
    says(llmock, JUDGE, verdicts())
    material = [{"title": "Larks", "text": "Larks sing at dawn.", "url": "https://example.com/larks"}]
    run = await answered(engine, await drafted(engine, topic="larks", material=material), "reject")
    assert "Larks sing at dawn." in prompts(llmock, WRITER)[0]
    assert [source["source"]["path"] for source in run.output["sources"]] == ["https://example.com/larks"]
