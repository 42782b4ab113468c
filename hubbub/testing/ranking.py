"""What holds for every ranked list: at most `k`, each once, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.testing.values import finite, shown


def judge_ranking(method: str, answer: Any, k: int, kind: type) -> None:
    """Refuse what is no ranking of objects of `kind`, which have an `id`, a `score` and `metadata`."""
    name = kind.__name__
    listed = isinstance(answer, Sequence) and not isinstance(answer, str)
    assert listed, f"{method} gave {shown(answer)}; return a list of {name} objects"
    for each in answer:
        assert isinstance(each, kind), f"{method} gave {shown(each)}; return {name} objects"
        found: Any = each
        assert isinstance(found.id, str) and found.id, f"an id is {shown(found.id)}; give a text"  # noqa: PT018
        assert finite(found.score), f"the score of {found.id} is {found.score}; give a finite number"
        assert isinstance(found.metadata, Mapping), f"the metadata of {found.id} is no mapping; give a dict"
    assert len(answer) <= k, f"{k} were asked for and {method} gave {len(answer)}; give at most k"
    ids = [each.id for each in answer]
    twice = sorted({id for id in ids if ids.count(id) > 1})
    assert not twice, f"{', '.join(twice)} came twice; give each once"
    scores = [each.score for each in answer]
    assert scores == sorted(scores, reverse=True), f"the scores are {shown(scores)}; give the best first"
