"""What a step decided and what it cost go with its update, once."""

from runtime.graphs.decisions import Decision
from runtime.runs.notes import Notes
from runtime.types import Usage


def test_a_note_is_taken_by_its_own_step_and_only_once() -> None:
    notes = Notes()
    notes.decided(Decision("route", "way 1", "sell", "score > hot (score is 0.9)"))
    assert notes.take("other") == {}
    assert notes.take("route") == {"decisions": [{"go": "sell", "why": "score > hot (score is 0.9)"}]}
    assert notes.take("route") == {}


def test_the_calls_of_a_step_are_summed_and_those_without_a_price_are_counted() -> None:
    notes = Notes()
    notes.used("write", Usage(10, 2, cost_usd=0.5))
    notes.used("write", Usage(1, 1))
    assert notes.take("write") == {
        "usage": {"calls": 2, "input_tokens": 11, "output_tokens": 3, "cost_usd": 0.5, "unpriced": 1}
    }
