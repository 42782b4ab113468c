"""What a tenant, and each of its keys, may use of the models: requests and tokens a minute, and money."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from runtime.errors import BudgetSpent, Overloaded
from runtime.records import KeyLimits, ModelCall, UsageQuery
from runtime.settings import Settings
from runtime.storage import UsageLog


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


@dataclass(frozen=True, slots=True)
class Holder:
    """Who may use so much: a tenant, or one of its keys.  `where` its bounds are set, `way` out of them."""

    id: tuple[str, str]
    who: str
    where: str
    way: str
    requests: int
    tokens: int
    usd: float
    per: Literal["day", "month"]

    @property
    def bound(self) -> bool:
        """Whether anything is bounded."""
        return bool(self.requests or self.tokens or self.usd)


class Quotas:
    """Asked before each request to a model, and told of each call's end.

    A key may use no more than its tenant, and what a key uses is its tenant's too.
    """

    def __init__(
        self, settings: Settings, log: UsageLog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._log, self._clock = settings, log, clock
        self._tenants: dict[str, Holder] = {}
        self._keys: dict[str, Holder] = {}
        self._allowances: dict[tuple[tuple[str, str], str], Allowance] = {}
        self._spent: dict[tuple[str, str], tuple[str, float]] = {}

    def limit_key(self, id: str, limits: KeyLimits) -> None:
        """Know what a key may use."""
        self._keys[id] = Holder(
            *(("key", id), "key", "`hubbub key new`", "use another key"),
            *(limits.requests_per_minute, limits.tokens_per_minute, limits.budget_usd, limits.budget_per),
        )

    async def admit(self, tenant: str, key: str = "") -> None:
        """Count a request in; Overloaded or BudgetSpent when it may not be made."""
        holders = self._holders(tenant, key)
        for holder in holders:
            if holder.usd:
                await self._check_budget(holder)
        now = self._clock()
        for holder in holders:
            self._check_rates(holder, now)
        for holder in holders:
            if holder.requests:
                self._allowances[holder.id, "requests"].take(1)

    def count(self, call: ModelCall) -> None:
        """Take down what a call used."""
        for holder in self._holders(call.tenant, call.key):
            if (allowance := self._allowances.get((holder.id, "tokens"))) is not None:
                allowance.take(call.usage.input_tokens + call.usage.output_tokens)
            if holder.id in self._spent:
                period, spent = self._spent[holder.id]
                if period == _period(holder.per):
                    self._spent[holder.id] = period, spent + (call.usage.cost_usd or 0.0)

    def _holders(self, tenant: str, key: str) -> list[Holder]:
        """Return those that are bounded."""
        if tenant not in self._tenants:
            own = self._settings.tenant(tenant)
            self._tenants[tenant] = Holder(
                *(("tenant", tenant), "tenant", "[tenants.default]", "raise it"),
                *(own.limits.requests_per_minute, own.limits.tokens_per_minute),
                *(own.budget.usd, own.budget.per),
            )
        found = (self._tenants[tenant], self._keys.get(key))
        return [holder for holder in found if holder is not None and holder.bound]

    def _check_rates(self, holder: Holder, now: float) -> None:
        for kind, most in (("requests", holder.requests), ("tokens", holder.tokens)):
            if not most:
                continue
            allowance = self._allowances.setdefault((holder.id, kind), Allowance(most, now))
            if wait := allowance.wait(now):
                raise Overloaded(
                    f"The {holder.who} may use {most:,} {kind} of models a minute ({holder.where} "
                    f"{kind}_per_minute); ask again in {max(1, round(wait))} s.",
                    retry_after=wait,
                )

    async def _check_budget(self, holder: Holder) -> None:
        period, _ = self._spent.get(holder.id, ("", 0.0))
        if period != (today := _period(holder.per)):
            self._spent[holder.id] = today, await self._spent_before(holder, today)
        if self._spent[holder.id][1] >= holder.usd:
            raise BudgetSpent(
                f"The {holder.who} has spent its ${holder.usd:g} of this {holder.per} on models "
                f"({holder.where} budget); wait for the next {holder.per}, or {holder.way}.",
                limit="budget",
            )

    async def _spent_before(self, holder: Holder, first: str) -> float:
        kind, id = holder.id
        if kind == "key":
            return await self._log.spent(id, first)
        sums = await self._log.usage(UsageQuery(tenant=id, first=first))
        return float(sums[0]["cost_usd"]) if sums else 0.0


def _period(per: str) -> str:
    """Return the first day of the present day or month in UTC, as ISO 8601."""
    today = datetime.now(UTC).date()
    return (today if per == "day" else today.replace(day=1)).isoformat()
