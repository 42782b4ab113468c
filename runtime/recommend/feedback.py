"""How a list of recommendations is known by, and what users' events say of it."""

from __future__ import annotations

import hashlib
from typing import Final

import orjson

from runtime.types import Interaction

_FACTS: Final = {"view": "clicked", "like": "clicked", "buy": "bought", "dismiss": "dismissed"}


def recommendation_id(run: str, task: str) -> str:
    """Return the id of what a task of a run recommended: the same when its step runs again."""
    return f"{run}:{task}"


def feedback_row(event: Interaction) -> tuple[str, str, str, str, int] | None:
    """Return what an event says of the list it came from: run, task, fact, key, milliseconds; else None.

    An item of a list counts once as clicked, bought or dismissed.  The key names nobody and nothing.
    """
    run, _, task = event.recommendation.rpartition(":")
    if not run:
        return None
    fact = _FACTS[event.kind]
    digest = hashlib.sha256(orjson.dumps([event.recommendation, event.item, fact])).hexdigest()
    return run, task, fact, f"feedback:{digest[:32]}", int(event.at * 1000)
