"""step.read_measures reads each figure with its period before, and says it in sentences."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub import NotFound
from hubbub.testing import FakeContext, StepTests
from plugins.read_measures import Figures, ReadMeasures


class TestReadMeasures(StepTests):
    def make(self) -> ReadMeasures:
        return ReadMeasures()


async def read(**asked: Any) -> Any:
    given = {"name": "calls", "first": "2025-01-08", "last": "2025-01-14", **asked}
    return await ReadMeasures().run({}, Figures.model_validate({"asked": [given]}), FakeContext())


async def test_a_period_that_is_not_over_is_no_fall() -> None:
    found = await read(unfinished=True, note="The day 2025-01-14 is not over yet.")
    assert found["summary"] == (
        "Calls of models, 2025-01-08 to 2025-01-14: 77 calls (in the period before: 28 calls).\n"
        "The day 2025-01-14 is not over yet."
    )


async def test_what_two_figures_say_alike_is_said_once() -> None:
    asked = {
        "name": "calls",
        "first": "2025-01-08",
        "last": "2025-01-14",
        "note": "It cannot be split by run.",
    }
    given = Figures.model_validate({"asked": [asked, {**asked, "by": ["graph"]}]})
    found = await ReadMeasures().run({}, given, FakeContext())
    assert found["summary"].count("It cannot be split by run.") == 1


async def test_a_figure_is_told_beside_the_period_before() -> None:
    found = await read()
    assert found["summary"] == (
        "Calls of models, 2025-01-08 to 2025-01-14: 77 calls (in the period before: 28 calls, so +175.0 %)."
    )
    (number,) = found["numbers"]
    assert (number["value"], number["before"], number["rows"]) == (77, 28, [{"value": 77, "n": 77}])
    assert (number["series"][0]["day"], number["series"][-1]["day"]) == ("2024-11-12", "2025-01-14")


async def test_parts_are_named_and_further_ones_counted() -> None:
    found = await read(by=["day"], first="2025-01-01", note="Said too.")
    last = found["summary"].splitlines()
    assert last[1].startswith("By day: 2025-01-01 1 call, 2025-01-02 2 calls, ")
    assert last[1].endswith(", and 6 more.")
    assert last[2] == "Said too."


async def test_every_statement_is_shown() -> None:
    found = await read(by=["graph"], graph="write")
    assert [each["about"] for each in found["sql"]] == [
        "calls by graph, 2025-01-08 to 2025-01-14",
        "calls, 2025-01-08 to 2025-01-14",
        "calls, 2025-01-01 to 2025-01-07",
        "calls by day, 2024-11-12 to 2025-01-14",
    ]
    assert all(each["sql"] and each["parameters"]["graph"] == "write" for each in found["sql"])


async def test_a_figure_that_there_is_not_is_one_sentence() -> None:
    with pytest.raises(NotFound, match="there is no measure wishes"):
        await read(name="wishes")
