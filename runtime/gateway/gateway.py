"""The one road to every model: an alias, its candidates in order, the first whole answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from difflib import get_close_matches

from runtime.errors import HubbubError, InvalidInput, ModelError, NotFound
from runtime.extensions.catalog import Catalog
from runtime.extensions.failures import in_words
from runtime.gateway.attempts import attempt
from runtime.gateway.models import AliasInfo, Candidate, candidates, describe
from runtime.gateway.reply import ReplyBuilder
from runtime.ports import Context
from runtime.settings import ModelAlias, Settings
from runtime.telemetry import Telemetry, get_logger
from runtime.types import ChatRequest, Delta, ModelCall, Reply

_log = get_logger(__name__)


class Gateway:
    """Knows the aliases of `[models]`, and who can answer for each."""

    def __init__(
        self,
        settings: Settings,
        catalog: Callable[[], Catalog],
        telemetry: Telemetry,
        record: Callable[[ModelCall], None] = lambda _: None,
    ) -> None:
        """`record` is told of every call of a model, however it ended."""
        self._aliases, self._catalog = settings.models, catalog
        self._telemetry, self._record = telemetry, record

    def aliases(self) -> dict[str, AliasInfo]:
        """Return every alias with its usable candidates and the skipped ones."""
        catalog = self._catalog()
        return {name: describe(alias, catalog) for name, alias in self._aliases.items()}

    def model(self, alias: str, ctx: Context) -> GatewayModel:
        """Return the model behind an alias, asked on behalf of `ctx`; NotFound when there is none."""
        found = self._aliases.get(alias)
        if found is None:
            near = get_close_matches(alias, self._aliases, 1)
            rest = f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(self._aliases))}."
            raise NotFound(f"config.toml has no model {alias[:100]}; {rest}")
        return GatewayModel(alias, found, self._catalog(), ctx, self._telemetry, self._record)

    async def aclose(self) -> None:
        """Nothing is kept open between two calls."""


class GatewayModel:
    """The `ModelHandle` of one alias and one caller."""

    def __init__(
        self,
        alias: str,
        limits: ModelAlias,
        catalog: Catalog,
        ctx: Context,
        telemetry: Telemetry,
        record: Callable[[ModelCall], None],
    ) -> None:
        self._alias, self._limits, self._catalog = alias, limits, catalog
        self._ctx, self._telemetry, self._record = ctx, telemetry, record

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        """Return the whole answer; `on_delta` is given its pieces as they come.

        ModelError when no candidate gave a whole answer; pieces given before that are not an answer.
        """
        whole = ReplyBuilder()
        async with aclosing(self._pieces(request, whole)) as pieces:
            async for delta in pieces:
                whole.add(delta)
                if on_delta is not None:
                    on_delta(delta)
        return whole.reply()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it is made; its last piece has a `finish`.  Errors as in `complete`."""
        async with aclosing(self._pieces(request, ReplyBuilder())) as pieces:
            async for delta in pieces:
                yield delta

    async def _pieces(self, request: ChatRequest, answer: ReplyBuilder) -> AsyncGenerator[Delta, None]:
        """Yield the pieces of the first candidate that has something to say."""
        until = min(self._ctx.deadline, time.monotonic() + self._limits.timeout)
        failures: list[tuple[Candidate, HubbubError]] = []
        for candidate in candidates(self._limits, self._catalog):
            if failures and time.monotonic() >= until:
                break
            answer.model = candidate.label
            begun = False
            tried = attempt(
                candidate,
                request,
                self._ctx,
                self._telemetry,
                alias=self._alias,
                limits=self._limits,
                until=until,
                record=self._record,
            )
            try:
                async with aclosing(tried):
                    async for delta in tried:
                        begun = begun or bool(delta.text or delta.reasoning or delta.tool_call)
                        yield delta
            except HubbubError as error:
                if begun:
                    # What was said cannot be taken back: another candidate would say it twice.
                    words = f"{candidate.label} broke off in the middle of its answer ({in_words(error)})"
                    raise ModelError(f"{words}; ask again.") from error
                _log.warning(
                    "candidate failed", model=self._alias, candidate=candidate.label, reason=str(error)
                )
                failures.append((candidate, error))
            else:
                return
        raise self._failed(failures)

    def _failed(self, failures: list[tuple[Candidate, HubbubError]]) -> HubbubError:
        if failures and all(isinstance(error, InvalidInput) for _, error in failures):
            return failures[-1][1]
        skipped = describe(self._limits, self._catalog).skipped
        told = [f"{candidate.label}: {in_words(error)}" for candidate, error in failures]
        told += [f"{label} is not usable: {reason}" for label, reason in skipped.items()]
        return ModelError(
            f"The model {self._alias} could not answer ({' · '.join(told)}); "
            f"mend one of these, or name another in [models.{self._alias}] use."
        )
