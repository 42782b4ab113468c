"""What a tenant may use of the models: requests and tokens a minute, and money a day or month."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from runtime.errors import BudgetSpent, Overloaded
from runtime.settings import Budget, Settings
from runtime.types import JsonObject, ModelCall, UsageQuery

SpentBefore = Callable[[UsageQuery], Awaitable[list[JsonObject]]]
"""Returns the sums of usage that the journal knows."""


class Allowance:
    """So many units a minute, which come back evenly; a debt is paid off before more is given."""

    __slots__ = ("_at", "_left", "_most")

    def __init__(self, most: int, now: float) -> None:
        self._most, self._left, self._at = most, float(most), now

    def wait(self, now: float, need: float = 1.0) -> float:
        """Return the seconds until `need` units are there, 0 when they are."""
        self._left = min(float(self._most), self._left + (now - self._at) * self._most / 60)
        self._at = now
        return max(0.0, (need - self._left) * 60 / self._most)

    def take(self, units: float) -> None:
        """Use units up, also those that are not there."""
        self._left -= units


class Quotas:
    """Asked before each request to a model, and told of each call's end."""

    def __init__(
        self, settings: Settings, before: SpentBefore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._before, self._clock = settings, before, clock
        self._requests: dict[str, Allowance] = {}
        self._tokens: dict[str, Allowance] = {}
        self._spent: dict[tuple[str, str], float] = {}

    async def admit(self, tenant: str) -> None:
        """Count a request in; Overloaded or BudgetSpent when the tenant may not make it."""
        own = self._settings.tenant(tenant)
        if own.budget.usd:
            await self._check_budget(tenant, own.budget)
        now, limits = self._clock(), own.limits
        for kind, most in (("requests", limits.requests_per_minute), ("tokens", limits.tokens_per_minute)):
            if most and (wait := self._allowance(kind, tenant, most, now).wait(now)):
                raise Overloaded(
                    f"The tenant may use {most:,} {kind} of models a minute ([tenants.default] "
                    f"limits.{kind}_per_minute); ask again in {max(1, round(wait))} s.",
                    retry_after=wait,
                )
        if limits.requests_per_minute:
            self._requests[tenant].take(1)

    def count(self, call: ModelCall) -> None:
        """Take down what a call used."""
        if (allowance := self._tokens.get(call.tenant)) is not None:
            allowance.take(call.usage.input_tokens + call.usage.output_tokens)
        period = (call.tenant, _period(self._settings.tenant(call.tenant).budget))
        if period in self._spent:
            self._spent[period] += call.usage.cost_usd or 0.0

    def _allowance(self, kind: str, tenant: str, most: int, now: float) -> Allowance:
        kept = self._requests if kind == "requests" else self._tokens
        if tenant not in kept:
            kept[tenant] = Allowance(most, now)
        return kept[tenant]

    async def _check_budget(self, tenant: str, budget: Budget) -> None:
        period = (tenant, first := _period(budget))
        if period not in self._spent:
            sums = await self._before(UsageQuery(tenant=tenant, first=first))
            for old in [each for each in self._spent if each[0] == tenant]:
                del self._spent[old]
            self._spent[period] = sums[0]["cost_usd"] if sums else 0.0
        if self._spent[period] >= budget.usd:
            raise BudgetSpent(
                f"The tenant has spent its ${budget.usd:g} of this {budget.per} on models ([tenants.default] "
                f"budget); wait for the next {budget.per}, or raise it.",
                limit="budget",
            )


def _period(budget: Budget) -> str:
    """Return the first day of the present day or month in UTC, as ISO 8601."""
    today = datetime.now(UTC).date()
    return (today if budget.per == "day" else today.replace(day=1)).isoformat()
