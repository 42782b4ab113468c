"""What a plugin starts is started once and closed once; one that cannot start or end harms no other."""

import sys
from collections.abc import Callable
from typing import Any

from runtime.extensions.catalog import Catalog
from runtime.extensions.loader import close_plugins, start_plugins
from tests.runtime.extensions.texts import FIT, named

Load = Callable[..., Catalog]


LIVELY = """
from hubbub import Score, hookimpl
seen = []
class Fit:
    name = "fit"
    async def start(self): {start}
    async def aclose(self): {aclose}
    async def score(self, item, ctx): return Score(1.0)
@hookimpl
def register_scorers(): return [Fit()]
"""


def _seen(catalog: Catalog) -> Any:
    found = catalog.get("scorer", "fit")
    assert found is not None
    return sys.modules[found.plugin.module].seen


async def test_start_and_aclose_are_called_once_each(load: Load) -> None:
    catalog = load(fit=LIVELY.format(start="seen.append('start')", aclose="seen.append('aclose')"))
    seen = _seen(catalog)
    assert await start_plugins(catalog) is catalog
    assert seen == ["start"]
    await close_plugins(catalog)
    assert seen == ["start", "aclose"]


TWO_KINDS = """
from hubbub import hookimpl
seen = []
class Both:
    name = "fit"
    async def start(self): seen.append("start")
    async def score(self, item, ctx): ...
    async def recommend(self, user, k, ctx): ...
both = Both()
@hookimpl
def register_scorers(): return [both]
@hookimpl
def register_recommenders(): return [both]
"""


async def test_an_object_of_two_kinds_is_started_once(load: Load) -> None:
    catalog = load(fit=TWO_KINDS)
    await start_plugins(catalog)
    assert _seen(catalog) == ["start"]


async def test_plain_functions_start_and_close_too(load: Load) -> None:
    text = LIVELY.replace("async def start", "def start").replace("async def aclose", "def aclose")
    catalog = load(fit=text.format(start="seen.append('start')", aclose="seen.append('aclose')"))
    seen = _seen(catalog)
    await start_plugins(catalog)
    await close_plugins(catalog)
    assert seen == ["start", "aclose"]


async def test_a_plugin_that_cannot_start_is_listed_as_failed(load: Load) -> None:
    catalog = load(fit=LIVELY.format(start="1 / 0", aclose="seen.append('aclose')"))
    seen = _seen(catalog)
    started = await start_plugins(catalog)
    (info,) = named(started, "fit")
    assert (info.state, info.supplies) == ("failed", ())
    assert "ZeroDivisionError" in info.error
    assert started.get("scorer", "fit") is None
    assert started.get("retriever", "keyword")
    assert seen == ["aclose"]
    await close_plugins(started)


async def test_a_start_that_hangs_is_given_up(load: Load) -> None:
    text = "import asyncio\n" + LIVELY.format(start="await asyncio.sleep(600)", aclose="...")
    started = await start_plugins(load('[plugins.fit.host]\ndeadline = "50ms"\n', fit=text))
    (info,) = named(started, "fit")
    assert "within 0.05 s" in info.error


async def test_closing_never_raises(load: Load) -> None:
    text = LIVELY.format(start="...", aclose="seen.append('aclose'); raise SystemExit(3)")
    catalog = load(fit=text)
    seen = _seen(catalog)
    await close_plugins(catalog)
    assert seen == ["aclose"]


async def test_a_closed_plugin_leaves_no_module(load: Load) -> None:
    catalog = load(fit=FIT)
    (info,) = named(catalog, "fit")
    assert info.module in sys.modules
    await close_plugins(catalog)
    assert info.module not in sys.modules


async def test_a_plugin_without_its_secret_is_not_started(load: Load) -> None:
    text = LIVELY.format(start="seen.append('start')", aclose="...")
    text = f"from pydantic import BaseModel\nclass Settings(BaseModel):\n    key: str\n{text}"
    catalog = load('[plugins.fit]\nkey = "secret:NO_SUCH_KEY"\n', fit=text)
    seen = _seen(catalog)
    started = await start_plugins(catalog)
    assert seen == []
    assert [info.state for info in named(started, "fit")] == ["ready"]
