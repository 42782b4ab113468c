"""What `hubbub run` tells of a run on stderr: its steps, why each way was taken, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.cli.output import say

_SUMS = ("calls", "input_tokens", "output_tokens", "cost_usd", "unpriced")


@dataclass(slots=True)
class Progress:
    """Tells the steps as they happen, and sums up what they cost."""

    _sums: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))

    def step(self, node: str, decisions: Sequence[Mapping[str, str]], usage: Mapping[str, Any]) -> None:
        """Tell that a step is done, and where it went."""
        say(f"done  {node}{_cost(usage)}")
        for decision in decisions:
            say(f"      -> {decision['go']}: {decision['why']}")
        for name in _SUMS:
            self._sums[name] += usage.get(name, 0)

    def undone(self, step: str, by: str, error: str) -> None:
        """Tell that a step of a failed run is undone, or why it cannot be."""
        say(f"undo  {step}: {error}" if error else f"undo  {step} by {by}")

    def end(self) -> None:
        """Tell what all steps cost; nothing when no model was asked."""
        if calls := self._sums["calls"]:
            say(f"cost  {calls} model call{'s' if calls > 1 else ''}{_cost(self._sums)}")


def _cost(usage: Mapping[str, Any]) -> str:
    if not usage:
        return ""
    tokens = usage["input_tokens"] + usage["output_tokens"]
    if usage["unpriced"] == usage["calls"]:
        return f", {tokens} tokens at a price that is not known"
    more = " and what has no known price" if usage["unpriced"] else ""
    return f", {tokens} tokens, {usage['cost_usd']:.4f} USD{more}"
