"""What a call of a model cost, in US dollars: by the configuration, else by the list of genai-prices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias

from runtime.gateway.models import Candidate
from runtime.types import Usage

_MILLION = 1_000_000

Cost: TypeAlias = Callable[[Usage], float]


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars for a million tokens of each kind."""

    input: float
    output: float
    cached: float
    written: float

    def __call__(self, usage: Usage) -> float:
        """Return the cost of a call."""
        plain = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
        sums = (
            plain * self.input,
            usage.cached_tokens * self.cached,
            usage.cache_write_tokens * self.written,
        )
        return (sum(sums) + usage.output_tokens * self.output) / _MILLION


class Prices:
    """Looks the price of each model up once; the list is imported, in a thread, when it is first needed."""

    def __init__(self) -> None:
        self._known: dict[str, Cost | None] = {}

    async def learn(self, candidate: Candidate) -> None:
        """Look a candidate's price up, so that `priced` knows it."""
        if candidate.label not in self._known:
            self._known[candidate.label] = (
                Rate(price.input, price.output, price.input, price.input)
                if (price := candidate.price)
                else await asyncio.to_thread(_listed, candidate.provider, candidate.model)
            )

    def priced(self, usage: Usage, candidate: Candidate) -> Usage:
        """Return the usage with its cost, when the provider has not said it and a price is known."""
        cost = self._known.get(candidate.label)
        if usage.cost_usd is not None or cost is None:
            return usage
        return replace(usage, cost_usd=cost(usage))


def _listed(provider: str, model: str) -> Cost | None:
    """Return the cost of a model by the list, None when it is not on it."""
    if not model:
        return None
    import genai_prices

    try:
        price = genai_prices.calc_price(genai_prices.Usage(), model, provider_id=provider).model_price
    except LookupError:
        return None
    rates = (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
    plain = [rate for rate in rates if isinstance(rate, Decimal)]
    if rates[0] is None or len(plain) < len([rate for rate in rates if rate is not None]):
        return lambda usage: _by_steps(price, usage)  # a price of steps, or not by tokens
    given, made, read, written = (float(rate) if isinstance(rate, Decimal) else None for rate in rates)
    base = given or 0.0
    return Rate(base, made or 0.0, base if read is None else read, base if written is None else written)


def _by_steps(price: Any, usage: Usage) -> float:
    """Return the cost where it goes in steps; takes half a millisecond."""
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return float(price.calc_price(counted)["total_price"])
