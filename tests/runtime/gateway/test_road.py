"""Which candidate is asked, how often, and when it is left alone; what is shared, kept and counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.dialects.chat import Chat
from runtime.cache import MemoryCache, choose_cache
from runtime.errors import BudgetSpent, CannotStart, InvalidInput, ModelError, Overloaded, PluginError
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.gateway.answers import no_model
from runtime.gateway.gateway import Gateway
from runtime.gateway.models import Candidate, in_order
from runtime.gateway.prices import Prices
from runtime.gateway.relaying import RelayAsk
from runtime.gateway.retries import LONGEST, wait_before_retry
from runtime.gateway.standing import Standing
from runtime.ports import Context
from runtime.records import KeyLimits, ModelCall, UsageQuery
from runtime.settings import BreakerSettings, ModelAlias, Price, Settings
from runtime.telemetry import Telemetry
from runtime.types import ChatRequest, Delta, JsonObject, RawChunk, RawRequest, ToolCall, Usage
from tests.runtime.gateway.test_gateway import DONE, REQUEST, Log, Scripted, context, registered

BUSY = ModelError("It is busy; ask again.", reason="overloaded")


class Failing:
    """A provider that fails so often, and then answers."""

    def __init__(self, name: str, *errors: Exception, text: str = "ok") -> None:
        self.name, self.errors, self.text, self.asked = name, list(errors), text, 0

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Fail, or answer."""
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        yield Delta(text=self.text)
        yield DONE


def gateway(
    tmp_path: Any,
    *providers: Any,
    tenants: JsonObject | None = None,
    log: Any = None,
    embed: Any = no_model,
    **limits: Any,
) -> Gateway:
    """Return a gateway with the alias `writer`, whose candidates are these providers."""
    catalog = Catalog(registered=[registered(provider) for provider in providers])
    alias = {"use": [f"{provider.name}:large" for provider in providers], **limits}
    settings = Settings.model_validate(
        {"workspace": tmp_path, "models": {"writer": alias}, "tenants": tenants or {}}
    )
    return Gateway(settings, lambda: catalog, Telemetry(), log or Log(), embed=embed)


def asked(found: Gateway, tenant: str = "default", key: str = "") -> Any:
    """Return the model as a tenant asks it."""
    from dataclasses import replace

    return found.model("writer", cast(Context, replace(context(), tenant=tenant, key=key)))


# --------------------------------------------------------------------------- retries


async def test_a_busy_candidate_is_asked_again_before_the_next_one(tmp_path: Any) -> None:
    first, second = Failing("one", BUSY, BUSY), Failing("two")
    reply = await asked(gateway(tmp_path, first, second)).complete(REQUEST)
    assert (reply.model, first.asked, second.asked) == ("one:large", 3, 0)


async def test_after_the_last_retry_the_next_candidate_is_asked(tmp_path: Any) -> None:
    first, second = Failing("one", *[BUSY] * 9), Failing("two")
    reply = await asked(gateway(tmp_path, first, second, retries=1)).complete(REQUEST)
    assert (reply.model, first.asked) == ("two:large", 2)


@pytest.mark.parametrize("reason", ["auth", "quota", "invalid", "too_long", "refused", "timeout"])
async def test_what_another_try_cannot_mend_is_not_tried_again(tmp_path: Any, reason: Any) -> None:
    first = Failing("one", ModelError("No.", reason=reason))
    reply = await asked(gateway(tmp_path, first, Failing("two"))).complete(REQUEST)
    assert (reply.model, first.asked) == ("two:large", 1)


async def test_a_wait_that_is_too_long_is_not_waited_for_and_the_candidate_rests(tmp_path: Any) -> None:
    first = Failing("one", ModelError("Later.", reason="rate_limit", retry_after=300.0))
    found = gateway(tmp_path, first, Failing("two"))
    assert (await asked(found).complete(REQUEST)).model == "two:large"
    assert (await asked(found).complete(REQUEST)).model == "two:large"
    assert first.asked == 1
    assert "rests for 300 s" in found.aliases()["writer"].skipped["one:large"]


@given(st.integers(1, 50), st.none() | st.floats(0, 100))
def test_a_wait_grows_is_bounded_and_never_shorter_than_asked_for(tries: int, after: float | None) -> None:
    wait = wait_before_retry(tries, ModelError("Later.", reason="rate_limit", retry_after=after), 20.0)
    if after is not None and after > 20:
        assert wait is None
    else:
        assert wait is not None
        assert (after or 0) <= wait <= max(LONGEST, (after or 0) * 1.1)


@pytest.mark.parametrize("error", [InvalidInput("No."), PluginError("Broken.")])
def test_only_what_passes_by_itself_is_waited_for(error: Any) -> None:
    assert wait_before_retry(1, error, 20.0) is None


# --------------------------------------------------------------------------- the breaker


async def test_a_candidate_that_keeps_failing_is_left_alone(tmp_path: Any) -> None:
    first = Failing("one", *[ValueError("no")] * 9)
    found = gateway(tmp_path, first, Failing("two"), breaker={"failures": 3, "rest": 60.0}, coalesce=False)
    for _ in range(6):
        assert (await asked(found).complete(REQUEST)).model == "two:large"
    assert first.asked == 3
    assert "after 3 failures in a row" in found.aliases()["writer"].skipped["one:large"]


async def test_when_all_rest_the_caller_is_told_when_to_come_back(tmp_path: Any) -> None:
    found = gateway(tmp_path, Failing("one", ValueError("no")), breaker={"failures": 1, "rest": 60.0})
    for words in ("failed at", "rests for"):
        with pytest.raises(ModelError, match=words) as caught:
            await asked(found).complete(REQUEST)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 60


async def test_a_request_that_was_wrong_is_not_the_candidates_failure(tmp_path: Any) -> None:
    wrong = [ModelError("Too long.", reason="too_long"), InvalidInput("No seed.")]
    first = Failing("one", *wrong)
    found = gateway(tmp_path, first, Failing("two"), breaker={"failures": 1, "rest": 60.0})
    for expected in ("two:large", "two:large", "one:large"):
        assert (await asked(found).complete(REQUEST)).model == expected


@given(st.lists(st.sampled_from(["ask", "answer", "fail", "leave", "wait"]), max_size=60))
def test_whatever_happens_one_request_at_a_time_tries_a_rested_candidate(steps: list[str]) -> None:
    now = 0.0
    standing, settings = Standing(lambda: now), BreakerSettings(failures=2, rest=10.0)
    under_way: list[str] = []
    for step in steps:
        if step == "wait":
            now += 5.0
        elif step == "ask":
            if admitted := standing.admit():
                assert not standing.resting
                under_way.append(admitted)
        elif under_way:
            ended = under_way.pop(0)
            if step == "answer":
                standing.answered(0.1)
                assert not standing.resting
            elif step == "fail":
                standing.failed(settings)
            standing.released(ended)
            if step != "leave":
                under_way = ["call" if one == "trial" else one for one in under_way]
        assert under_way.count("trial") <= 1, "two requests try it at once"


# --------------------------------------------------------------------------- the order


def listed(*weights: float) -> list[Candidate]:
    """Return candidates a, b, c … with these weights."""
    return [
        Candidate(name, "", registered(Scripted(name)), weight)
        for name, weight in zip("abc", weights, strict=False)
    ]


def alias(**more: Any) -> ModelAlias:
    """Return an alias with a strategy."""
    return ModelAlias.model_validate({"use": ["a", "b", "c"], **more})


def test_by_weight_each_candidate_is_first_with_its_share_and_all_are_there() -> None:
    firsts: Counter[str] = Counter()
    for _ in range(4000):
        order = in_order(listed(6, 3, 1), alias(strategy="weighted"), lambda _: None)
        assert sorted(one.label for one in order) == ["a", "b", "c"]
        firsts[order[0].label] += 1
    assert 2150 < firsts["a"] < 2650
    assert 1000 < firsts["b"] < 1400


def test_by_latency_the_quickest_is_asked_and_the_unknown_first() -> None:
    known = {"a": 0.9, "b": 0.1}
    order = in_order(listed(1, 1, 1), alias(strategy="latency"), known.get)
    assert [one.label for one in order] == ["c", "b", "a"]


# --------------------------------------------------------------------------- hedging


async def test_when_the_first_is_slow_the_next_one_is_asked_too_and_who_speaks_first_is_heard(
    tmp_path: Any,
) -> None:
    slow, quick = Scripted("one", 30, Delta(text="slow"), DONE), Scripted("two", Delta(text="quick"), DONE)
    reply = await asked(gateway(tmp_path, slow, quick, hedge_after=0.02)).complete(REQUEST)
    assert (reply.text, reply.model) == ("quick", "two:large")
    assert slow.closed


async def test_the_first_may_still_win_the_race(tmp_path: Any) -> None:
    first, second = Scripted("one", 0.1, Delta(text="a"), DONE), Scripted("two", 30, DONE)
    reply = await asked(gateway(tmp_path, first, second, hedge_after=0.02)).complete(REQUEST)
    assert (reply.text, len(second.asked), second.closed) == ("a", 1, True)


async def test_a_quick_first_is_alone(tmp_path: Any) -> None:
    first, second = Scripted("one", Delta(text="a"), 0.1, DONE), Scripted("two", DONE)
    reply = await asked(gateway(tmp_path, first, second, hedge_after=0.05)).complete(REQUEST)
    assert (reply.text, second.asked) == ("a", [])


async def test_one_of_two_that_fails_leaves_the_race_to_the_other(tmp_path: Any) -> None:
    slow, broken = Scripted("one", 0.1, Delta(text="a"), DONE), Scripted("two", ValueError("no"))
    third = Scripted("three", DONE)
    found = gateway(tmp_path, slow, broken, third, hedge_after=0.02)
    assert (await asked(found).complete(REQUEST)).text == "a"
    assert third.asked == []
    both = gateway(tmp_path, Scripted("one", 0.05, ValueError("no")), broken, third, hedge_after=0.02)
    assert (await asked(both).complete(REQUEST)).model == "three:large"


async def test_who_leaves_during_a_race_ends_both(tmp_path: Any) -> None:
    one, two = Scripted("one", 30, DONE), Scripted("two", 30, DONE)
    task = asyncio.create_task(asked(gateway(tmp_path, one, two, hedge_after=0.02)).complete(REQUEST))
    async with asyncio.timeout(5):
        while not two.asked:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    assert (one.closed, two.closed) == (True, True)


# --------------------------------------------------------------------------- shared and kept


async def test_identical_requests_under_way_share_one_answer(tmp_path: Any) -> None:
    provider = Scripted("one", 0.05, Delta(text="a "), 0.05, Delta(text="b"), DONE)
    found = gateway(tmp_path, provider)
    replies = await asyncio.gather(*(asked(found).complete(REQUEST) for _ in range(5)))
    assert [reply.text for reply in replies] == ["a b"] * 5
    assert len(provider.asked) == 1


async def test_tenants_never_share_an_answer(tmp_path: Any) -> None:
    provider = Scripted("one", 0.05, Delta(text="a"), DONE)
    found = gateway(tmp_path, provider, cache={"exact": 60.0})
    await asyncio.gather(*(asked(found, tenant).complete(REQUEST) for tenant in ("a", "b", "a")))
    await asked(found, "b").complete(REQUEST)
    assert sorted(ctx.tenant for _, ctx in provider.asked) == ["a", "b"]


async def test_one_who_leaves_takes_nothing_from_the_others_and_the_last_ends_it(tmp_path: Any) -> None:
    provider = Scripted("one", Delta(text="a"), 0.1, Delta(text="b"), 30)
    found = gateway(tmp_path, provider)
    begun = asyncio.Event()
    one = asyncio.create_task(asked(found).complete(REQUEST, lambda _: begun.set()))
    two = asyncio.create_task(asked(found).complete(REQUEST))
    await begun.wait()
    one.cancel()
    await asyncio.sleep(0.15)
    assert not provider.closed
    two.cancel()
    await asyncio.wait([one, two])
    assert provider.closed


async def test_those_who_share_an_answer_share_its_failure(tmp_path: Any) -> None:
    provider = Scripted("one", 0.02, Delta(text="half"), ValueError("cut"))
    found = gateway(tmp_path, provider)
    results = await asyncio.gather(
        *(asked(found).complete(REQUEST) for _ in range(3)), return_exceptions=True
    )
    assert {type(result) for result in results} == {ModelError}
    assert len(provider.asked) == 1


async def test_an_answer_is_given_again_and_not_paid_again(tmp_path: Any) -> None:
    call = ToolCall(0, "c", "find", "{}")
    provider = Scripted("one", Delta(reasoning="hm"), Delta(text="a"), Delta(tool_call=call), DONE)
    found = gateway(tmp_path, provider, cache={"exact": 60.0})
    first = await asked(found).complete(REQUEST)
    again = await asked(found).complete(REQUEST)
    assert len(provider.asked) == 1
    assert (again.text, again.reasoning, again.tool_calls, again.model, again.finish) == (
        first.text,
        "hm",
        (call,),
        "one:large",
        "stop",
    )
    assert (first.usage.cost_usd, again.usage.cost_usd) == (0.5, 0.0)


async def test_a_like_question_has_the_same_answer_when_all_else_is_equal(tmp_path: Any) -> None:
    """The vectors are of letters: what matters is who is compared with whom."""

    async def embed(texts: Sequence[str]) -> Any:
        counts = np.array([[text.count(letter) for letter in "abcxyz"] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    provider = Scripted("one", Delta(text="a"), DONE)
    found = gateway(tmp_path, provider, cache={"semantic": 0.95}, embed=embed)

    async def ask(question: str, system: str = "s", tenant: str = "default") -> None:
        said = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        await asked(found, tenant).complete(ChatRequest("", said))

    for times, more in enumerate(
        [("abcabcabc",), ("aabbccabc",), ("xyzxyz",), ("abcabcabc", "other"), ("abcabcabc", "s", "b")]
    ):
        await ask(*more)
        assert len(provider.asked) == (1, 1, 2, 3, 4)[times]


async def test_half_an_answer_is_never_kept(tmp_path: Any) -> None:
    provider = Scripted("one", Delta(text="a"), Delta(finish="length"))
    found = gateway(tmp_path, provider, cache={"exact": 60.0})
    for _ in range(2):
        await asked(found).complete(REQUEST)
    assert len(provider.asked) == 2


async def test_the_answer_of_a_lesser_candidate_does_not_stand_in_for_a_better_one(tmp_path: Any) -> None:
    first = Failing("one", ValueError("no"), text="better")
    found = gateway(tmp_path, first, Failing("two", text="lesser"), cache={"exact": 60.0})
    texts = [(await asked(found).complete(REQUEST)).text for _ in range(3)]
    assert texts == ["lesser", "better", "better"]


async def test_the_memory_is_bounded_and_forgets_in_time() -> None:
    now = 0.0
    cache = MemoryCache(1000, lambda: now)
    for number in range(10):
        await cache.set(str(number), b"x" * 99, 5.0)
    assert [await cache.get(str(number)) for number in (0, 9)] == [None, b"x" * 99]
    await cache.set("large", b"x" * 2000, 5.0)
    assert await cache.get("large") is None
    now = 5.0
    assert await cache.get("9") is None


async def test_the_cache_of_a_plugin_is_used_by_its_name() -> None:
    class Shelf:
        name = "shelf"

        def __init__(self) -> None:
            self.values: dict[str, bytes] = {}

        async def get(self, key: str) -> bytes | None:
            """Look it up."""
            return self.values.get(key)

        async def set(self, key: str, value: bytes, ttl: float) -> None:
            """Keep it."""
            self.values[key] = value

        async def delete(self, key: str) -> None:
            """Forget it."""
            self.values.pop(key, None)

    info = PluginInfo("shelf", "drop-in", "plugins/shelf.py", "ready")
    catalog = Catalog(registered=[Registered("cache", "shelf", Shelf(), info)])
    cache = choose_cache("shelf", lambda: catalog)
    await cache.set("a", b"1", 5.0)
    assert await cache.get("a") == b"1"
    await cache.delete("a")
    assert await cache.get("a") is None
    with pytest.raises(CannotStart, match="names redis, which no plugin supplies; there is memory, shelf"):
        choose_cache("redis", lambda: catalog)


# --------------------------------------------------------------------------- what it costs


class Spent(Log):
    """A log that knows what was spent before."""

    def __init__(self, usd: float) -> None:
        super().__init__()
        self.usd = usd
        self.asked: list[UsageQuery] = []

    async def usage(self, query: UsageQuery) -> list[JsonObject]:
        """Return the sums."""
        self.asked.append(query)
        return [{"cost_usd": self.usd}]

    async def spent(self, key: str, first: str) -> float:
        """Return what a key has spent."""
        return self.usd


async def test_a_budget_counts_what_was_spent_before_and_since(tmp_path: Any) -> None:
    log = Spent(1.2)
    tenants = {"default": {"budget": {"usd": 2.0, "per": "month"}}}
    found = gateway(tmp_path, Failing("one"), tenants=tenants, log=log)
    await asked(found).complete(REQUEST)
    await asked(found).complete(REQUEST)
    with pytest.raises(BudgetSpent, match=r"has spent its \$2 of this month"):
        await asked(found).complete(REQUEST)
    assert len(log.asked) == 1
    assert log.asked[0].tenant == "default"
    assert (log.asked[0].first or "").endswith("-01")


async def test_requests_over_the_rate_are_refused_with_the_time_to_come_back(tmp_path: Any) -> None:
    tenants = {"default": {}, "small": {"limits": {"requests_per_minute": 2}}}
    found = gateway(tmp_path, Failing("one"), tenants=tenants)
    for _ in range(2):
        await asked(found, "small").complete(REQUEST)
    with pytest.raises(Overloaded, match="2 requests of models a minute") as caught:
        await asked(found, "small").complete(REQUEST)
    assert 0 < caught.value.retry_after <= 30
    await asked(found).complete(REQUEST)


async def test_tokens_are_a_debt_that_is_paid_off_first(tmp_path: Any) -> None:
    tenants = {"default": {"limits": {"tokens_per_minute": 4}}}
    found = gateway(tmp_path, Failing("one"), tenants=tenants)
    await asked(found).complete(REQUEST)  # uses 5
    with pytest.raises(Overloaded, match="4 tokens of models a minute"):
        await asked(found).complete(REQUEST)


async def test_a_key_is_held_to_its_own_bounds_within_those_of_its_tenant(tmp_path: Any) -> None:
    found = gateway(tmp_path, Failing("one"), log=Spent(1.2))
    found.limit_key("poor", KeyLimits(budget_usd=2.0, budget_per="month"))
    found.limit_key("slow", KeyLimits(requests_per_minute=1))
    found.limit_key("short", KeyLimits(tokens_per_minute=4))
    for _ in range(2):
        await asked(found, key="poor").complete(REQUEST)  # each costs half a dollar
    with pytest.raises(BudgetSpent, match=r"The key has spent its \$2 of this month.*use another key"):
        await asked(found, key="poor").complete(REQUEST)
    for key, words in (("slow", "1 requests"), ("short", "4 tokens")):
        await asked(found, key=key).complete(REQUEST)
        with pytest.raises(Overloaded, match=f"The key may use {words} of models a minute"):
            await asked(found, key=key).complete(REQUEST)
    await asked(found, key="free").complete(REQUEST)
    await asked(found).complete(REQUEST)


async def test_what_a_key_uses_is_its_tenants_too(tmp_path: Any) -> None:
    tenants = {"default": {"limits": {"requests_per_minute": 2}}}
    found = gateway(tmp_path, Failing("one"), tenants=tenants)
    found.limit_key("app", KeyLimits(requests_per_minute=5))
    for _ in range(2):
        await asked(found, key="app").complete(REQUEST)
    for key in ("app", "other", ""):
        with pytest.raises(Overloaded, match="The tenant may use 2 requests"):
            await asked(found, key=key).complete(REQUEST)


async def test_an_answer_that_has_begun_is_finished_though_the_money_is_used_up_meanwhile(
    tmp_path: Any,
) -> None:
    found = gateway(tmp_path, Failing("one"), coalesce=False)
    found.limit_key("poor", KeyLimits(budget_usd=0.5))
    slow = asked(found, key="poor").stream(REQUEST)
    first = await anext(slow)
    await asked(found, key="poor").complete(REQUEST)
    with pytest.raises(BudgetSpent):
        await asked(found, key="poor").complete(REQUEST)
    rest = [piece async for piece in slow]
    assert (first.text, rest[-1].finish) == ("ok", "stop")


async def test_the_cost_is_known_from_the_list_or_from_the_configuration(tmp_path: Any) -> None:
    prices, usage = Prices(), Usage(1_000_000, 1_000_000, cached_tokens=500_000)
    listed_one = Candidate("openai:gpt-4o", "gpt-4o", registered(Scripted("openai")))
    own = Candidate("own:x", "x", registered(Scripted("own")), price=Price(input=1.0, output=4.0))
    unknown = Candidate("own:y", "y", registered(Scripted("own")))
    for candidate in (listed_one, own, unknown):
        await prices.learn(candidate)
    assert prices.priced(usage, listed_one).cost_usd == pytest.approx(0.5 * 2.5 + 0.5 * 1.25 + 10)
    assert prices.priced(usage, own).cost_usd == pytest.approx(5.0)
    assert prices.priced(usage, unknown).cost_usd is None
    assert prices.priced(Usage(cost_usd=0.25), own).cost_usd == 0.25


async def test_a_reply_says_what_it_cost(tmp_path: Any) -> None:
    calls: list[ModelCall] = []
    provider = Scripted("one", Delta(text="a"), Delta(usage=Usage(1_000_000, 0)), Delta(finish="stop"))
    use = [{"model": "one:large", "price": {"input": 3.0, "output": 1.0}}]
    found = gateway(tmp_path, provider, log=Log(calls.append), use=use)
    reply = await asked(found).complete(REQUEST)
    assert reply.usage.cost_usd == calls[0].usage.cost_usd == pytest.approx(3.0)


async def test_an_answer_that_comes_as_a_whole_has_no_first_piece_to_wait_for(tmp_path: Any) -> None:
    class Whole:
        name, dialects = "one", ("openai.chat",)

        async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
            """Never asked: the dialect is its own."""
            raise AssertionError
            yield

        async def relay(self, request: RawRequest, ctx: Context) -> AsyncIterator[RawChunk]:
            """Take longer than a first piece may."""
            await asyncio.sleep(0.2)
            yield RawChunk(b"{}", True, Usage(1, 1), "stop")

    found = gateway(tmp_path, Whole(), first_token_timeout=0.05, hedge_after=0.05)
    request = RawRequest("openai.chat", "writer", {"messages": []})
    ask: Any = RelayAsk(request, cast(Any, Chat()))
    pieces = [piece async for piece in found.answer(ask, "writer", found.limits("writer"), asked_by())]
    assert [(piece.data, piece.model) for piece in pieces] == [(b"{}", "one:large")]


def asked_by() -> Context:
    """Return a caller."""
    return cast(Context, context())


async def test_a_caller_with_less_time_leaves_and_the_answer_goes_on_for_the_others(tmp_path: Any) -> None:
    from dataclasses import replace

    provider = Scripted("one", 0.3, Delta(text="a"), DONE)
    found = gateway(tmp_path, provider)
    hurried = replace(context(), deadline=time.monotonic() + 0.05)
    patient = asyncio.create_task(asked(found).complete(REQUEST))
    with pytest.raises(ModelError, match="give that more time") as caught:
        await found.model("writer", cast(Context, hurried)).complete(REQUEST)
    assert caught.value.reason == "timeout"
    assert (await patient).text == "a"
