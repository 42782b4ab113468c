"""What the methods of each kind may give back; everything else is nonsense, and said before it spreads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from runtime.types import Hit, Item, Score, Verdict


def check_of(kind: str, method: str) -> Callable[[Any], str] | None:
    """Return what says what is wrong with a result, as the rest of a sentence, "" for nothing."""
    return _CHECKS.get((kind, method))


def _score(result: Any) -> str:
    if not isinstance(result, Score):
        return f"gave {_what(result)}; return a Score"
    value: Any = result.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        return f"gave a Score of {value!r:.40}, which is not between 0 and 1; scale it"
    return ""


def _scores(result: Any) -> str:
    return _sequence_of(Score, "Score")(result) or next(filter(None, map(_score, result)), "")


def _sequence_of(wanted: type, name: str) -> Callable[[Any], str]:
    def check(result: Any) -> str:
        if isinstance(result, str | bytes | Mapping) or not isinstance(result, Sequence):
            return f"gave {_what(result)}; return a list of {name}"
        odd = next((one for one in result if not isinstance(one, wanted)), result)
        return "" if odd is result else f"gave a list that holds {_what(odd)}; return a list of {name}"

    return check


def _instance(wanted: type, words: str) -> Callable[[Any], str]:
    return lambda result: "" if isinstance(result, wanted) else f"gave {_what(result)}; {words}"


def _verdict(result: Any) -> str:
    if not isinstance(result, Verdict):
        return f"gave {_what(result)}; return a Verdict"
    if result.action not in ("allow", "block", "rewrite"):
        return f"gave a Verdict to {result.action!r:.40}; the actions are allow, block and rewrite"
    if result.action == "rewrite" and not isinstance(result.text, str):
        return "gave a Verdict to rewrite without a text; add text"
    return ""


def _bytes_or_none(result: Any) -> str:
    return (
        "" if result is None or isinstance(result, bytes) else f"gave {_what(result)}; return bytes or None"
    )


def _what(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


_CHECKS: Final[Mapping[tuple[str, str], Callable[[Any], str]]] = {
    ("scorer", "score"): _score,
    ("scorer", "score_many"): _scores,
    ("retriever", "search"): _sequence_of(Hit, "Hit"),
    ("recommender", "recommend"): _sequence_of(Item, "Item"),
    ("model", "predict"): _instance(Mapping, "return a mapping of names to arrays"),
    ("guardrail", "check"): _verdict,
    ("cache", "get"): _bytes_or_none,
}
