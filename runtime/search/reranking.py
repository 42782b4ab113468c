"""The best hits, read again beside the question by a cross-encoder, which takes its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from runtime.errors import PluginError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, Registered
from runtime.search.loading import Loading
from runtime.settings import Settings
from runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from runtime.search.fusion import Scored

MAX_RERANKED = 100
"""Passages that are read again for one question, at most."""
DEADLINE = 20.0
"""Seconds that may take; then the hits stay in the order they had."""


class Reranker:
    """The scorer that `[search] reranker` names: it says how well each text answers a query, 0 to 1."""

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog], telemetry: Telemetry) -> None:
        self._scorer = Loading(settings, catalog, "scorer", settings.search.reranker)
        self._telemetry = telemetry

    @property
    def name(self) -> str:
        """The scorer's name, as configured."""
        return self._scorer.name

    def missing(self) -> str:
        """Return why hits cannot be read again, as a sentence; "" when they can."""
        return self._scorer.missing()

    async def load(self) -> Registered | None:
        """Load its model if that has not been done; None when it cannot be used."""
        return await self._scorer.load()

    async def scores(self, query: str, texts: Sequence[str], seconds: float = DEADLINE) -> list[float]:
        """Return how well each text answers the query; PluginError says why that cannot be told."""
        found = await self.load()
        if found is None:
            raise PluginError(f"Hits cannot be read again: {self.missing()}.", plugin=self.name)
        if not hasattr(found.value, "score_many"):
            raise PluginError(
                f"The scorer {self.name} has no score_many, so it cannot rank hits; choose another one.",
                plugin=found.plugin.name,
            )
        items = [{"query": query, "text": text} for text in texts]
        with self._telemetry.inference_span(self.name):
            made = await guard.call(found, "score_many", items, None, deadline=time.monotonic() + seconds)
        if len(made) != len(items):
            raise PluginError(
                f"The scorer {self.name} gave {len(made)} scores for {len(items)} hits; mend the plugin.",
                plugin=found.plugin.name,
            )
        return [score.value for score in made]


def reordered(ranked: Sequence[Scored], scores: Sequence[float]) -> list[Scored]:
    """Return the hits by these scores, best first; equal ones keep their order."""
    read = [
        found._replace(score=score, scores={**found.scores, "rerank": score})
        for found, score in zip(ranked, scores, strict=True)
    ]
    return sorted(read, key=lambda found: -found.score)
