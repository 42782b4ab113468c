"""What a run has used of the limits of its graph, over all its executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from runtime.errors import LimitExceeded
from runtime.types import Usage


@dataclass(slots=True)
class Meter:
    """Counts steps and US dollars; `max_cost_usd` None is no limit."""

    max_steps: int
    max_cost_usd: float | None = None
    steps: int = 0
    usd: float = 0.0

    def step(self) -> None:
        """Count a step that begins; LimitExceeded when it is one too many."""
        self.steps += 1
        if self.steps > self.max_steps:
            _exceeded(
                "max_steps", f"The run may take {self.max_steps} steps and needs more", "or mend the loop"
            )

    def spend(self, usage: Usage, alias: str) -> None:
        """Count what a call of a model cost; LimitExceeded when the run may not cost that much."""
        if self.max_cost_usd is None:
            return
        if usage.cost_usd is None:
            raise LimitExceeded(
                f"The run may cost {self.max_cost_usd:g} USD (limits.max_cost_usd), and nobody knows "
                f"what the model {alias} costs; give it a price in config.toml, or take the limit out.",
                limit="max_cost_usd",
            )
        self.usd += usage.cost_usd
        if self.usd > self.max_cost_usd:
            told = f"The run has cost {self.usd:.4f} USD and may cost {self.max_cost_usd:g}"
            _exceeded("max_cost_usd", told, "or ask cheaper models")


def _exceeded(limit: str, what: str, otherwise: str) -> NoReturn:
    raise LimitExceeded(f"{what}; raise limits.{limit} of its graph, {otherwise}.", limit=limit)
