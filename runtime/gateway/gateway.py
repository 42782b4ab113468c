"""The one road to every model, for whoever calls it: aliases in, answers out."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from difflib import get_close_matches

from runtime.cache import MemoryCache
from runtime.errors import ModelError, NotFound
from runtime.extensions.catalog import Catalog
from runtime.extensions.context import CallContext
from runtime.extensions.deadline import Deadline
from runtime.gateway.answers import Answers, Embed, no_model
from runtime.gateway.asking import Ask, ChatAsk, P
from runtime.gateway.attempts import Bookkeeping, Call, key_of
from runtime.gateway.flights import Flights
from runtime.gateway.models import AliasInfo, describe
from runtime.gateway.prices import Prices
from runtime.gateway.quotas import Quotas
from runtime.gateway.reply import ReplyBuilder
from runtime.gateway.road import Road
from runtime.gateway.standing import Standings
from runtime.ports import Cache, Context
from runtime.records import KeyLimits, ModelCall
from runtime.settings import ModelAlias, Settings
from runtime.storage import UsageLog
from runtime.telemetry import Telemetry
from runtime.types import ChatRequest, Delta, Reply


class Gateway:
    """Knows the aliases of `[models]`, and who can answer for each."""

    def __init__(
        self,
        settings: Settings,
        catalog: Callable[[], Catalog],
        telemetry: Telemetry,
        log: UsageLog,
        cache: Cache | None = None,
        embed: Embed = no_model,
    ) -> None:
        """`log` is told of every call of a model, however it ended; `cache` keeps answers."""
        self._aliases, self._catalog, self._log = settings.models, catalog, log
        self._quotas = Quotas(settings, log)
        self._standings = Standings()
        books = Bookkeeping(telemetry, self._record, Prices())
        answers = Answers(cache or MemoryCache(), telemetry, embed)
        self._road = Road(catalog, books, self._standings, answers)
        self._flights = Flights()
        self._metrics = telemetry.metrics

    def aliases(self) -> dict[str, AliasInfo]:
        """Return every alias with its usable candidates and the skipped ones, those that rest too."""
        catalog = self._catalog()
        return {
            name: self._without_resting(describe(alias, catalog)) for name, alias in self._aliases.items()
        }

    def model(self, alias: str, ctx: Context) -> GatewayModel:
        """Return the model behind an alias, asked on behalf of `ctx`; NotFound when there is none."""
        return GatewayModel(self, alias, self.limits(alias), ctx)

    def limit_key(self, id: str, limits: KeyLimits) -> None:
        """Hold an API key to what it may use."""
        self._quotas.limit_key(id, limits)

    def knows(self, alias: str) -> bool:
        """Whether there is such an alias."""
        return alias in self._aliases

    def limits(self, alias: str) -> ModelAlias:
        """Return the settings of an alias; NotFound."""
        if (found := self._aliases.get(alias)) is not None:
            return found
        near = get_close_matches(alias, self._aliases, 1)
        rest = f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(self._aliases))}."
        raise NotFound(f"config.toml has no model {alias[:100]}; {rest}")

    async def answer(
        self, ask: Ask[P], alias: str, limits: ModelAlias, ctx: Context
    ) -> AsyncGenerator[P, None]:
        """Yield an answer; its last piece has a `finish`.

        ModelError when no candidate gave a whole one, Overloaded or BudgetSpent when the tenant or the key
        may not ask now.
        """
        await self._quotas.admit(ctx.tenant, key_of(ctx))
        until = time.monotonic() + limits.timeout
        if not limits.coalesce:
            call = Call(ask, alias, limits, ctx, min(ctx.deadline, until))
            async with aclosing(self._road.travel(call)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        # An answer that is shared may take its whole time, each who waits for it only their own.
        shared = replace(ctx, deadline=until) if isinstance(ctx, CallContext) else ctx
        call = Call(ask, alias, limits, shared, until)
        key = (ctx.tenant, alias, ask.fingerprint())
        if self._flights.under_way(key):
            self._metrics.answer_reused(alias, "coalesced")
        flight = self._flights.join(key, lambda: self._road.travel(call))
        async with aclosing(flight), aclosing(_until(ctx.deadline, alias, flight)) as pieces:
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """Nothing is kept open between two calls."""

    def _record(self, call: ModelCall) -> None:
        self._quotas.count(call)
        self._log.record(call)

    def _without_resting(self, info: AliasInfo) -> AliasInfo:
        resting = {label: why for label in info.usable if (why := self._standings.resting(label))}
        usable = tuple(label for label in info.usable if label not in resting)
        return AliasInfo(usable, {**info.skipped, **resting})


class GatewayModel:
    """The `ModelHandle` of one alias and one caller."""

    def __init__(self, gateway: Gateway, alias: str, limits: ModelAlias, ctx: Context) -> None:
        self._gateway, self._alias, self._limits, self._ctx = gateway, alias, limits, ctx

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        """Return the whole answer; `on_delta` is given its pieces as they come.

        Errors as in `Gateway.answer`; pieces given before one are not an answer.
        """
        whole = ReplyBuilder()
        async with aclosing(self.stream(request)) as pieces:
            async for delta in pieces:
                whole.add(delta)
                if on_delta is not None:
                    on_delta(delta)
        return whole.reply()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it is made; its last piece has a `finish`.  Errors as in `complete`."""
        asked = self._gateway.answer(ChatAsk(request), self._alias, self._limits, self._ctx)
        async with aclosing(asked) as pieces:
            async for delta in pieces:
                yield delta


async def _until(when: float, alias: str, pieces: AsyncGenerator[P, None]) -> AsyncGenerator[P, None]:
    """Yield the pieces that come in time; ModelError when one does not."""
    limit = Deadline(when)
    try:
        while (piece := await limit.wait(anext(pieces, None))) is not None:
            yield piece
    except TimeoutError:
        raise ModelError(
            f"The model {alias} gave no whole answer before the time of what asked it was over; "
            "give that more time.",
            reason="timeout",
        ) from None
    finally:
        limit.close()
