"""A plugin says itself whether it works now, in time or not at all."""

from collections.abc import Callable

import pytest

from runtime.extensions import checkup
from runtime.extensions.catalog import Catalog
from runtime.extensions.checkup import check_plugins
from runtime.types import Health

TEXT = """
import asyncio
from hubbub import Health, Score, hookimpl

class Fit:
    name = "fit"
    async def score(self, item, ctx): return Score(1.0)
    {check}

@hookimpl
def register_scorers(): return [Fit()]
"""

SAID = {
    "well": ("async def check(self): return Health(True)", Health(True, "scorer.fit")),
    "ill": (
        "def check(self): return Health(False, 'The CRM is closed.')",
        Health(False, "The CRM is closed."),
    ),
    "no check": ("pass", Health(True, "scorer.fit")),
}


@pytest.mark.parametrize(("check", "health"), SAID.values(), ids=SAID)
async def test_a_plugin_says_how_it_is(load: Callable[..., Catalog], check: str, health: Health) -> None:
    assert (await check_plugins(load(fit=TEXT.format(check=check))))["fit"] == health


TROUBLE = {
    "raises": ("async def check(self): 1 / 0", "scorer.fit failed at plugins/fit.py:8: ZeroDivisionError"),
    "gives nonsense": ("async def check(self): return 7", "scorer.fit has a check that gives no Health"),
    "hangs": ("async def check(self): await asyncio.sleep(600)", "scorer.fit was not done"),
}


@pytest.mark.parametrize(("check", "words"), TROUBLE.values(), ids=TROUBLE)
async def test_a_check_that_fails_is_a_plugin_that_is_ill(
    load: Callable[..., Catalog], check: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "PATIENCE", 0.05)
    health = (await check_plugins(load(fit=TEXT.format(check=check))))["fit"]
    assert not health.ok
    assert health.detail.startswith(words)


async def test_a_broken_plugin_is_ill_with_its_reason(load: Callable[..., Catalog]) -> None:
    health = (await check_plugins(load(fit="1 / 0")))["fit"]
    assert health == Health(
        False, "failed: plugins/fit.py:1: ZeroDivisionError: division by zero; mend that line"
    )
