"""Logs carry the ids of their task and of its span, and hold no secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.config import TelemetrySettings, load_settings
from runtime.telemetry import Telemetry, bind, configure_logging, get_logger


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(look: str, write: Any) -> list[str]:
    stream = io.StringIO()
    configure_logging(TelemetrySettings(logs=look), stream)  # type: ignore[arg-type]
    write()
    return stream.getvalue().splitlines()


@pytest.mark.usefixtures("restored_logging")
async def test_json_logs_carry_the_ids_of_the_task_and_of_its_span(traced: Telemetry) -> None:
    def write() -> None:
        with bind(run="r1", thread="t1", tenant=None), traced.node_span("n", "llm") as span:
            get_logger("hubbub.test").info("100% done", hits=3)
            assert span.trace_id is not None
        get_logger("hubbub.test").info("after")

    first, second = map(json.loads, lines("json", write))
    assert {
        "event": "100% done",
        "hits": 3,
        "run": "r1",
        "thread": "t1",
        "level": "info",
    }.items() <= first.items()
    assert first["logger"] == "hubbub.test"
    assert len(first["trace"]) == 32
    assert len(first["span"]) == 16
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z$", first["timestamp"])
    assert not {"run", "trace", "tenant"} & second.keys()


@pytest.mark.usefixtures("restored_logging")
def test_libraries_are_written_the_same_way_from_warnings_on() -> None:
    def write() -> None:
        logging.getLogger("aiohttp.access").info("GET /livez")
        logging.getLogger("chromadb").warning("slow by %d ms", 5)

    (line,) = map(json.loads, lines("json", write))
    assert (line["event"], line["logger"], line["level"]) == ("slow by 5 ms", "chromadb", "warning")


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("look", ["json", "console"])
def test_logs_hold_no_secret_whatever_the_key(
    look: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGGED_KEY", "logged-secret-1")
    load_settings(tmp_path).secret("LOGGED_KEY", needed_by="a test")

    def write() -> None:
        log = get_logger("hubbub.test")
        log.info(
            "called with logged-secret-1",
            api_key="hidden-a",
            headers={"Authorization": "hidden-b", "x": [{"token": "hidden-c"}]},
        )
        log.warning("sent Bearer hidden-d-123456", url="http://x/?k=logged-secret-1", input_tokens=17)
        log.error("failed", exc_info=ValueError("logged-secret-1"))

    text = "\n".join(lines(look, write))
    assert "logged-secret-1" not in text
    assert "hidden" not in text
    assert "17" in text
    assert "ValueError" in text


@pytest.mark.usefixtures("restored_logging")
def test_console_logs_to_a_file_have_no_colours_and_cannot_be_forged() -> None:
    (line,) = lines(
        "console",
        lambda: get_logger("hubbub.test").info("x\nforged\x1b[31m", name="a\nb", user="c\x1b"),
    )
    assert "\x1b" not in line
    assert "x\\nforged\\x1b[31m" in line


@pytest.mark.usefixtures("restored_logging")
def test_an_exporter_that_complains_all_the_time_is_heard_once() -> None:
    def write() -> None:
        for number in range(50):
            logging.getLogger("opentelemetry.exporter.x").warning("retrying %d", number)

    assert len(lines("console", write)) == 1


@pytest.mark.usefixtures("restored_logging")
def test_configuring_twice_does_not_write_twice() -> None:
    lines("json", lambda: None)
    assert len(lines("json", lambda: get_logger("hubbub.test").warning("once"))) == 1


async def test_ids_stay_with_their_task(restored_logging: None) -> None:
    def write() -> None:
        get_logger("hubbub.test").info("here")

    async def run(name: str) -> None:
        bind(run=name)
        await asyncio.sleep(0)
        write()

    stream = io.StringIO()
    configure_logging(TelemetrySettings(logs="json"), stream)
    await asyncio.gather(run("a"), run("b"))
    write()
    assert [json.loads(line).get("run") for line in stream.getvalue().splitlines()] == ["a", "b", None]
