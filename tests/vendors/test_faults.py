"""What goes wrong at each vendor, over real sockets: by `aimock`, and else by a few lines of ours."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from urllib.request import Request, urlopen

import pytest
from aiohttp import web

from hubbub import Context, ModelError, Provider, RawRequest
from runtime import vendors
from runtime.extensions.context import CallContext
from runtime.gateway.gateway import GatewayModel
from tests.vendors.conftest import MARKER
from tests.vendors.test_road import writer
from tests.vendors.test_vocabulary import VENDORS, answer, asked

MEGABYTE = 1024 * 1024


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, aimock: str) -> Provider:
    """Each vendor in turn, played by aimock."""
    return VENDORS[request.param](aimock)


def asked_of(vendor: Provider, ctx: CallContext) -> GatewayModel:
    """Return the model of this vendor alone, with time enough to import its SDK on a busy machine."""
    patient = replace(ctx, deadline=time.monotonic() + 100)
    return writer(patient, vendor, retries=0, first_token_timeout=90)


def chaos(aimock: str, **rates: float) -> None:
    """Tell aimock what to do to every request; nothing ends it."""
    body, method = (json.dumps(rates).encode(), "POST") if rates else (None, "DELETE")
    with urlopen(Request(f"{aimock}/__aimock/chaos", body, method=method)):
        pass


@pytest.fixture
def calm(aimock: str) -> Iterator[None]:
    """End what was told to aimock."""
    yield
    chaos(aimock)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("key expired", "auth"),
        ("no credit", "quota"),
        ("very long", "too_long"),
        ("forbidden words", "refused"),
        ("too busy", "overloaded"),
    ],
)
async def test_each_refusal_has_its_reason(
    vendor: Provider, ctx: CallContext, words: str, reason: str
) -> None:
    with pytest.raises(ModelError) as caught:
        await asked_of(vendor, ctx).complete(asked(words))
    assert caught.value.reason == reason
    assert str(caught.value).endswith(".")
    assert MARKER not in str(caught.value)


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("rates", "reasons"),
    [
        ({"dropRate": 1.0}, ["unavailable"]),
        ({"rateLimitRate": 1.0}, ["rate_limit"]),
        ({"disconnectRate": 1.0}, ["unavailable", "broken"]),
        ({"malformedRate": 1.0}, ["broken"]),
    ],
    ids=str,
)
async def test_what_breaks_on_its_own_may_be_tried_again(
    vendor: Provider, ctx: CallContext, aimock: str, rates: dict[str, float], reasons: list[str]
) -> None:
    chaos(aimock, **rates)
    with pytest.raises(ModelError) as caught:
        await asked_of(vendor, ctx).complete(asked("say hello"))
    assert caught.value.reason in reasons
    assert caught.value.transient
    if "rateLimitRate" in rates:
        assert caught.value.retry_after


async def test_an_answer_that_is_cut_off_is_not_taken_for_a_whole_one(
    vendor: Provider, ctx: CallContext
) -> None:
    with pytest.raises(ModelError) as caught:
        await asked_of(vendor, ctx).complete(asked("cut off"))
    assert caught.value.reason in ("broken", "unavailable")


# --------------------------------------------------------------------------- a few lines of ours


@pytest.fixture
async def endless() -> AsyncIterator[str]:
    """The address of a vendor whose answer is 10 MB without a newline."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x" * MEGABYTE)
        return response

    app = web.Application()
    app.router.add_post("/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("name", VENDORS)
async def test_ten_megabytes_without_a_newline_are_no_answer(name: str, ctx: Context, endless: str) -> None:
    with pytest.raises(ModelError, match="more than 4 MiB") as caught:
        await answer(VENDORS[name](endless), asked("hi"), ctx)
    assert caught.value.reason == "broken"


@pytest.mark.parametrize("name", ["openai", "openai-responses", "anthropic"])
@pytest.mark.parametrize("stream", [True, False])
async def test_nor_are_they_passed_on(
    name: str, ctx: Context, endless: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendors, "MAX_ANSWER", 8 * MEGABYTE)
    provider: Any = VENDORS[name](endless)
    with pytest.raises(ModelError, match=r"more than (4|8) MiB"):
        [chunk async for chunk in provider.relay(RawRequest(provider.dialects[0], "m", {}, stream), ctx)]
    await provider.aclose()
