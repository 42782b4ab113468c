"""What the steps of a run say beside what they write: which way they went and why, what models cost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from runtime.graphs.decisions import Decision
from runtime.types import JsonObject, Usage


@dataclass(slots=True)
class Notes:
    """Keeps what was said of a step until its `updates` event takes it along."""

    _decisions: dict[str, list[Decision]] = field(default_factory=lambda: defaultdict(list))
    _usage: dict[str, list[Usage]] = field(default_factory=lambda: defaultdict(list))

    def decided(self, decision: Decision) -> None:
        """Note a way that was taken."""
        self._decisions[decision.step].append(decision)

    def used(self, step: str, usage: Usage) -> None:
        """Note a call of a model."""
        self._usage[step].append(usage)

    def take(self, step: str) -> JsonObject:
        """Return what was said of a step since it was last asked: `decisions` and `usage`, if any."""
        found: JsonObject = {}
        if decisions := self._decisions.pop(step, None):
            found["decisions"] = [{"go": one.go, "why": one.why} for one in decisions]
        if usage := self._usage.pop(step, None):
            found["usage"] = _sum(usage)
        return found


def _sum(calls: list[Usage]) -> JsonObject:
    costs = [one.cost_usd for one in calls]
    return {
        "calls": len(calls),
        "input_tokens": sum(one.input_tokens for one in calls),
        "output_tokens": sum(one.output_tokens for one in calls),
        "cost_usd": sum(cost for cost in costs if cost is not None),
        "unpriced": costs.count(None),
    }
