"""step.number_check keeps what was given, rounded at most, and takes everything else out."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.testing import FakeContext, StepTests
from plugins.number_check import Checked, NumberCheck

GIVEN = (
    "Calls of models, 2025-03-01 to 2025-03-07: 1,234 calls (in the period before: 980 calls, so +25.9 %).\n"
    "By model: gpt-4o 1,200 calls, extractive 34 calls."
)


class TestNumberCheck(StepTests):
    def make(self) -> NumberCheck:
        return NumberCheck()


async def check(text: str) -> Any:
    return await NumberCheck().run({}, Checked(text=text, given=GIVEN), FakeContext())


@pytest.mark.parametrize(
    "text",
    [
        "There were 1,234 calls, 25.9 % more than the 980 before.",
        "About 1.2 thousand calls, up 26 %.",
        "Between March 1 and the 7th of March 2025 models were called 1234 times.",
        "On 2025-03-01 it began; one model, gpt-4o, had most.",
        "Most were made by one model.",
        "In 2025, extractive had 34.",
    ],
)
async def test_what_is_given_stays(text: str) -> None:
    assert await check(text) == {"text": text, "dropped": []}


@pytest.mark.parametrize(
    "text",
    [
        "There were 1,235 calls.",
        "That is 30 % more.",
        "It cost 3.20 USD.",
        "There were twelve failures.",
        "Calls rose by 25.87 %.",
        "It began on 2025-03-02.",
        "It began on March 2.",
        "It began on March 1, 2024.",
        "Seven days.",
        "1.3 million calls.",
        "It cost USD99.",
        "Calls doubled.",
        "１２ calls failed.",
    ],
)
async def test_a_number_of_its_own_takes_its_sentence_along(text: str) -> None:
    assert await check(f"There were 980 calls. {text} Extractive had 34.") == {
        "text": "There were 980 calls. Extractive had 34.",
        "dropped": [text],
    }


async def test_when_nothing_holds_the_figures_are_told_as_they_are() -> None:
    assert await check("A million! And 17.") == {"text": GIVEN, "dropped": ["A million!", "And 17."]}
    assert (await check(""))["text"] == GIVEN
