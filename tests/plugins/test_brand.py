"""The guardrail and the step brand block, mend and add what the settings say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hubbub import Verdict
from hubbub.testing import FakeContext, GuardrailTests
from plugins.brand import LONGEST, Guard, Review, Rulebook, Settings, Text

OWED = "Capital at risk."


def check(text: str, **settings: Any) -> Verdict:
    return Guard(Rulebook(Settings(**settings))).check(text, FakeContext())


class TestBrand(GuardrailTests):
    blocked = ("It is GUARANTEED!", "a quick\nwin for all")
    rewritten = ("Send an E-mail to acme.", "No disclaimer here.")
    allowed = (f"Guarantees are a quick winner. {OWED}", f"Our ACME email.\n\n{OWED}")

    def make(self) -> Any:
        say = {"e-mail": "email", "acme": "ACME"}
        return Guard(Rulebook(Settings(never=["guaranteed", "quick win"], say=say, disclaimer=OWED)))


def test_without_rules_every_text_passes() -> None:
    assert check("Anything, guaranteed.") == Verdict()


def test_what_the_brand_never_says_blocks_and_is_named() -> None:
    verdict = check("It is guaranteed to be cheap.", never=["cheap", "Free of charge"])
    assert verdict == Verdict("block", reason='The text says "cheap", which the brand never says.')


def test_what_is_said_otherwise_is_put_in_its_place_with_its_capital_letter() -> None:
    say = {"e-mail": "email", "iphone": "iPhone", "sign up": "join"}
    verdict = check("E-mails? E-mail, IPHONE, Sign\nup.", say=say)
    assert verdict == Verdict("rewrite", "E-mails? Email, iPhone, Join.")


def test_a_disclaimer_is_added_once() -> None:
    verdict = check("Buy now.\n", disclaimer=OWED)
    assert verdict == Verdict("rewrite", f"Buy now.\n\n{OWED}")
    assert check("Buy now. CAPITAL  at risk.", disclaimer=OWED) == Verdict()


def test_a_text_that_is_too_long_to_look_at_is_blocked() -> None:
    assert check("a" * (LONGEST + 1)).action == "block"


@pytest.mark.parametrize(
    "settings",
    [
        {"say": {"cloud": "cloud service"}},
        {"say": {"good": "cheap"}, "never": ["cheap"]},
        {"disclaimer": "No e-mail.", "say": {"e-mail": "email"}},
    ],
)
def test_rules_that_break_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="breaks the rules itself"):
        Settings(**settings)


async def test_the_step_says_what_is_wrong_so_that_it_can_be_written_again() -> None:
    review = Review(Rulebook(Settings(never=["cheap"], say={"e-mail": "email"})))
    given = [
        await review.run({}, Text(text=text), FakeContext()) for text in ("Cheap!", "An e-mail.", "Fine.")
    ]
    assert given == [
        {"text": "Cheap!", "reason": 'The text says "cheap", which the brand never says.'},
        {"text": "An email.", "reason": ""},
        {"text": "Fine.", "reason": ""},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "It is **risk**-free.",
        "risk\u2011free",
        "risk\u2014free",
        "ri\u200bsk-free",
        "\uff32\uff29\uff33\uff2b-free",
        "_risk-free_",
    ],
)
def test_what_the_brand_never_says_is_found_dressed_up(text: str) -> None:
    assert check(text, never=["risk-free"]).reason == 'The text says "risk-free", which the brand never says.'


@pytest.mark.parametrize(
    ("text", "channel", "reason"),
    [
        ("a" * 280, "social", ""),
        ("a" * 281, "social", "It has 281 characters; social takes at most 280."),
        ("a " * 120, "email", ""),
        ("a " * 121, " Email", "It has 121 words; Email takes at most 120."),
        ("a" * 9999, "blog", ""),
        ("a" * 9999, "", ""),
    ],
)
async def test_a_text_is_held_against_the_length_of_its_channel(text: str, channel: str, reason: str) -> None:
    lengths = {"email": "120 words", "social": "280 characters"}
    review = Review(Rulebook(Settings()))
    found = await review.run({}, Text(text=text, channel=channel, lengths=lengths), FakeContext())
    assert found == {"text": text, "reason": reason}


async def test_the_disclaimer_counts_for_the_length_of_a_channel() -> None:
    review = Review(Rulebook(Settings(disclaimer=OWED)))
    found = await review.run(
        {}, Text(text="Buy now.", channel="social", lengths={"social": "10 characters"}), FakeContext()
    )
    assert found["reason"] == "It has 26 characters; social takes at most 10."


def test_a_length_that_is_none_is_one_sentence() -> None:
    with pytest.raises(
        ValidationError, match='the length "short" of social is not understood; write "120 words"'
    ):
        Text(text="", lengths={"social": "short"})
