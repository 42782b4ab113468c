"""Which texts of an item a query looks at: LangGraph's own paths, so that they mean the same here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.store.base import get_text_at_path

from runtime.errors import TooLarge

MAX_TEXTS = 64
"""Texts of one item that get a vector."""
_LENGTH = 10_000
"""Characters of a text that are looked at; embedding models read far fewer."""


def texts_of(value: Mapping[str, Any], fields: Iterable[str]) -> list[str]:
    """Return the texts at these paths, each once; TooLarge when a path finds too many."""
    found = dict.fromkeys(
        text[:_LENGTH] for path in fields for text in get_text_at_path(value, path) if text.strip()
    )
    if len(found) > MAX_TEXTS:
        raise TooLarge(f"`index` finds {len(found)} texts and may find {MAX_TEXTS}; name fewer paths.")
    return list(found)
