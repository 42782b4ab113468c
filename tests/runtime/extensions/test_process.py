"""A plugin in a process of its own is called as any other, and what ends it ends one call."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hubbub.testing.context import FakeInteractions
from runtime.errors import InvalidInput, NotFound, PluginError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.context import CallContext
from runtime.extensions.loader import close_plugins, start_plugins
from runtime.telemetry import get_logger
from runtime.types import CatalogueItem, ChatRequest, Delta, Hit, Hits, Interaction, Reply, Score, SearchQuery

CONFIG = """
[plugins.fit.host]
run      = "process"
deadline = "{deadline}"
memory   = "256 MiB"
breaker  = {{ failures = 100, rest = "1m" }}
"""
PLUGIN = """
import asyncio, ctypes, os, sys, time
import numpy as np
from pydantic import BaseModel, Field
from hubbub import ChatRequest, Delta, Hit, NotFound, Score, SearchQuery, StatePath, hookimpl

class Settings(BaseModel):
    big: int = 500

class Fit:
    name = "fit"
    class Params(BaseModel):
        weight: float = Field(default=1.0, ge=0, le=2)
    def __init__(self, big): self.big, self.started = big, 0
    async def start(self): self.started += 1
    async def score(self, item, ctx):
        match item.get("do"):
            case "raise": raise KeyError("employees")
            case "refuse": raise NotFound("There is no such lead; look it up.")
            case "exit": os._exit(3)
            case "crash": ctypes.string_at(0)
            case "eat": bytearray(2 << 30)
            case "loop":
                while True: pass
            case "hang": await asyncio.sleep(600)
            case "lend":
                ctx.emit(Delta(text="half"))
                ctx.log.warning("a word", lead=7)
                hits = await ctx.collection("docs").search(SearchQuery("x", 3, facets=["kind"]))
                pieces = []
                reply = await ctx.model("writer").complete(ChatRequest("", []), pieces.append)
                streamed = [d.text async for d in ctx.model("writer").stream(ChatRequest("", []))]
                vectors = await ctx.embed(["a", "b"])
                said = (hits[0].text, hits.mode, pieces[0].text, reply.text, streamed[0], str(vectors.shape))
                return Score(0.5, said)
            case "measures":
                measures = ctx.measures()
                (known,) = await measures.known()
                found = await measures.read("calls", "2025-01-01", "2025-01-31", ("day",), "ask")
                return Score(1.0, (known["name"], str(found["rows"])))
            case "artifact": return Score(1.0, (str(ctx.artifact("lead")),))
            case "did":
                did = ctx.interactions()
                (event,), (item,) = await did.history("ann"), await did.items(["tea"])
                (new,) = await did.newest(1)
                return Score(0.5, (event.item, item.title, new, str(await did.popular(3))))
            case "steal": return await ctx.model("secret").complete(ChatRequest("", []))
        who = f"{ctx.tenant} {ctx.params.weight if ctx.params else None} {self.started} {os.getpid()}"
        return Score(item.get("employees", 0) / self.big, (who,))

class Find:
    name = "find"
    def search(self, query, k, ctx):
        if query == "loop":
            while True: pass
        return [Hit(str(n), query, 1.0) for n in range(k)]

class Says:
    name = "says"
    async def stream(self, request, ctx):
        for n in range(int(request.model)):
            yield Delta(text=str(n))
        yield Delta(finish="stop")

class Doubles:
    name, schema = "doubles", {"x": "number"}
    async def predict(self, inputs, ctx): return {"y": np.asarray(inputs["x"]) * 2}

class Adds:
    name, description = "adds", "Adds two numbers."
    class Args(BaseModel):
        a: int
        b: int = 1
    async def run(self, args, ctx): return {"sum": args.a + args.b, "kind": type(args).__name__}

class Counts:
    name = "counts"
    class Params(BaseModel):
        over: StatePath
    async def run(self, state, params, ctx): return {"count": len(params.over)}

@hookimpl
def register_scorers(settings): return [Fit(settings.big)]
@hookimpl
def register_retrievers(): return [Find()]
@hookimpl
def register_providers(): return [Says()]
@hookimpl
def register_models(): return [Doubles()]
@hookimpl
def register_tools(): return [Adds()]
@hookimpl
def register_steps(): return [Counts()]
"""


class Services:
    """What a call is lent."""

    def __init__(self) -> None:
        self.searched: list[Any] = []

    def model(self, alias: str, ctx: Any) -> Any:
        """A model that says one word."""
        if alias != "writer":
            raise InvalidInput(f"There is no {alias}; name another.")
        return SimpleNamespace(complete=self._complete, stream=self._stream)

    async def _complete(self, request: ChatRequest, on_delta: Any = None) -> Reply:
        on_delta(Delta(text="de"))
        return Reply("done", "fake", "stop")

    async def _stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        yield Delta(text="streamed")

    def collection(self, tenant: str, name: str) -> Any:
        """A collection that holds one passage."""

        async def search(query: SearchQuery) -> Hits:
            self.searched.append((tenant, name, query))
            return Hits([Hit("1", "found", 1.0)], mode="hybrid")

        return SimpleNamespace(search=search)

    def interactions(self, tenant: str) -> Any:
        """What one user did with one item."""
        tea = CatalogueItem("tea", f"Tea of {tenant}", ("hot",))
        return FakeInteractions([Interaction("ann", "tea", "buy", 1.0)], [tea])

    def measures(self, tenant: str) -> Any:
        """One figure, which says what was asked for."""

        async def known() -> Any:
            return [{"name": "calls"}]

        async def read(*asked: Any) -> Any:
            return {"rows": [tenant, *asked]}

        return SimpleNamespace(known=known, read=read)

    async def embed(self, texts: Any) -> Any:
        """Two numbers a text."""
        import numpy as np

        return np.zeros((len(texts), 2), np.float32)


class There:
    """The plugin as it was loaded, and how to call it."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog, self.emitted = catalog, list[Delta]()
        self.services: Any = Services()

    def get(self, kind: str, name: str) -> Registered:
        """Return one of its objects."""
        found = self.catalog.get(kind, name)
        assert found is not None, self.info.error
        return found

    @property
    def info(self) -> PluginInfo:
        """What the list shows."""
        return next(each for each in self.catalog.plugins if each.name == "fit")

    def context(self, params: Any = None) -> CallContext:
        """Return the context of a call."""
        log, until = get_logger("test"), time.monotonic() + 60
        return CallContext("acme", "r1", "t1", "key", until, params, log, self.services, self.emitted.append)

    async def call(self, kind: str, name: str, method: str, *args: Any, params: Any = None) -> Any:
        """Call it."""
        ctx = self.context(params)
        return await guard.call(self.get(kind, name), method, *args, ctx, deadline=ctx.deadline)

    async def score(self, **item: Any) -> Score:
        """Call the scorer."""
        score: Score = await self.call("scorer", "fit", "score", item)
        return score

    async def pid(self) -> int:
        """Return the process that answers now."""
        return int(str((await self.score()).reasons[0]).split()[-1])


@pytest.fixture
async def there(load: Callable[..., Catalog], request: pytest.FixtureRequest) -> AsyncIterator[There]:
    """The plugin, started in its process; a test may ask for a deadline."""
    deadline = getattr(request, "param", "60s")
    made = There(await start_plugins(load(CONFIG.format(deadline=deadline), fit=PLUGIN)))
    yield made
    await close_plugins(made.catalog)


async def test_every_kind_of_object_answers_from_its_process(there: There) -> None:
    assert there.info.state == "ready"
    score = await there.score(employees=250)
    assert (type(score), score.value) == (Score, 0.5)
    assert await there.pid() != os.getpid()
    hits = await there.call("retriever", "find", "search", "word", 2)
    assert [(type(hit), hit.text) for hit in hits] == [(Hit, "word")] * 2
    assert (await there.call("model", "doubles", "predict", {"x": [1, 2]}))["y"].tolist() == [2, 4]
    tool = there.get("tool", "adds").value
    assert await there.call("tool", "adds", "run", tool.Args(a=2)) == {"sum": 3, "kind": "Args"}
    step = there.get("step", "counts").value
    assert await there.call("step", "counts", "run", {}, step.Params(over=[1, 2])) == {"count": 2}


async def test_what_graphs_are_checked_against_is_known_here(there: There) -> None:
    params = there.get("scorer", "fit").Params
    assert params is not None
    assert params(weight=2).weight == 2  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="less than or equal to 2"):
        params(weight=3)
    args = there.get("tool", "adds").value.Args
    assert args.model_json_schema()["required"] == ["a"]
    assert args.model_fields["a"].is_required()


async def test_parameters_are_validated_there(there: There) -> None:
    with pytest.raises(InvalidInput, match=r"a of tool.adds is wrong"):
        await there.call("tool", "adds", "run", {"a": "x"})


async def test_a_stream_comes_whole_and_in_order(there: There) -> None:
    ctx = there.context()
    says = there.get("provider", "says")
    pieces = [
        delta
        async for delta in guard.stream(says, "stream", ChatRequest("500", []), ctx, deadline=ctx.deadline)
    ]
    assert [delta.text for delta in pieces] == [*map(str, range(500)), ""]
    assert pieces[-1].finish == "stop"


async def test_leaving_a_stream_ends_it_there_and_the_next_call_is_answered(there: There) -> None:
    ctx, pid = there.context(), await there.pid()
    says = there.get("provider", "says")
    stream = guard.stream(says, "stream", ChatRequest("1000000", []), ctx, deadline=ctx.deadline)
    async with aclosing(stream) as pieces:
        assert (await anext(pieces)).text == "0"
    assert await there.pid() == pid


async def test_the_context_is_lent_over_the_pipe(there: There, caplog: pytest.LogCaptureFixture) -> None:
    score = await there.score(do="lend")
    assert tuple(score.reasons) == ("found", "hybrid", "de", "done", "streamed", "(2, 2)")
    assert there.services.searched == [("acme", "docs", SearchQuery("x", 3, facets=["kind"]))]
    assert there.emitted == [Delta(text="half")]
    assert "a word" in caplog.text
    params = there.get("scorer", "fit").Params
    assert params is not None
    told = await there.call("scorer", "fit", "score", {}, params=params(weight=0.5))
    assert told.reasons[0].startswith("acme 0.5 1 ")


async def test_the_figures_of_its_tenant_are_lent_over_the_pipe(there: There) -> None:
    score = await there.score(do="measures")
    known, rows = score.reasons
    assert known == "calls"
    assert rows == "['acme', 'calls', '2025-01-01', '2025-01-31', ['day'], 'ask']"


async def test_a_trained_model_is_found_there_and_a_newer_one_too(there: There, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no trained model lead"):
        await there.score(do="artifact")
    for version in ("1", "2"):
        (tmp_path / "models" / "lead" / version).mkdir(parents=True)
        score = await there.score(do="artifact")
        assert tuple(score.reasons) == (str(tmp_path / "models" / "lead" / version),)


async def test_what_users_did_is_lent_too(there: There) -> None:
    score = await there.score(do="did")
    assert tuple(score.reasons) == ("tea", "Tea of acme", "tea", "[('tea', 1)]")


async def test_errors_are_what_they_are_there(there: There) -> None:
    with pytest.raises(PluginError, match=r"scorer.fit failed at plugins/fit.py:\d+: KeyError: 'employees'"):
        await there.score(do="raise")
    with pytest.raises(NotFound, match="There is no such lead"):
        await there.score(do="refuse")
    with pytest.raises(InvalidInput, match="There is no secret"):
        await there.score(do="steal")


DEADLY = {"exit": "exit code 3", "crash": "killed by SIGSEGV"}


@pytest.mark.parametrize(("deed", "words"), DEADLY.items(), ids=DEADLY)
async def test_what_ends_the_process_is_one_failed_call(there: There, deed: str, words: str) -> None:
    before = await there.pid()
    with pytest.raises(PluginError, match=f"The process of the plugin fit ended .{words}.; try again"):
        await there.score(do=deed)
    score = await there.score(employees=250)
    assert score.value == 0.5
    assert " 1 " in str(score.reasons[0])  # started anew
    assert await there.pid() != before


async def test_an_allocation_over_its_memory_is_one_failed_call(there: There) -> None:
    before = await there.pid()
    with pytest.raises(PluginError, match="MemoryError"):
        await there.score(do="eat")
    assert await there.pid() == before


@pytest.mark.parametrize("there", ["2s"], indirect=True)
@pytest.mark.parametrize("where", ["loop", "thread"])
async def test_an_endless_loop_is_one_failed_call(there: There, where: str) -> None:
    before = await there.pid()
    looping = (
        there.score(do="loop") if where == "loop" else there.call("retriever", "find", "search", "loop", 1)
    )
    with pytest.raises(PluginError, match=r"gave no answer within 2 s"):
        await looping
    async with asyncio.timeout(30):
        while await _pid_or_none(there) in (None, before):
            await asyncio.sleep(0.05)
        while _alive(before):
            await asyncio.sleep(0.01)


async def _pid_or_none(there: There) -> int | None:
    try:
        return await there.pid()
    except PluginError:
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("there", ["2s"], indirect=True)
async def test_a_call_that_hangs_is_given_up_and_the_process_goes_on(there: There) -> None:
    before = await there.pid()
    with pytest.raises(PluginError, match=r"gave no answer within 2 s"):
        await there.score(do="hang")
    assert await there.pid() == before


async def test_a_process_that_keeps_ending_rests_longer_and_longer(there: There) -> None:
    host = there.get("scorer", "fit").host
    for _ in range(2):
        with pytest.raises(PluginError, match="ended"):
            await there.score(do="exit")
    assert "its process ended 2 times in a row, the last time so: exit code 3" in host.resting
    with pytest.raises(PluginError, match="is left alone for another"):
        await there.score()


async def test_a_process_that_is_killed_is_started_again(there: There) -> None:
    before = await there.pid()
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(30):
        while await _pid_or_none(there) in (None, before):
            await asyncio.sleep(0.01)


async def test_closing_ends_the_process(there: There) -> None:
    pid = await there.pid()
    await close_plugins(there.catalog)
    assert not _alive(pid)


BROKEN = {
    "raises": ("1 / 0", "plugins/fit.py:1: ZeroDivisionError: division by zero"),
    "ends the process": ("import os; os._exit(7)", "its process ended while it was loaded (exit code 7)"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "(killed by SIGSEGV)"),
    "registers nothing": ("x = 1", "plugins/fit.py: it registers nothing"),
    "a graph": (
        "from hubbub import hookimpl\nfrom langgraph.graph import StateGraph\n"
        "@hookimpl\ndef register_graphs(): return {'g': StateGraph(dict)}",
        "a graph cannot have a process of its own",
    ),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_its_mistake(load: Callable[..., Catalog], text: str, words: str) -> None:
    (info,) = [each for each in load(CONFIG.format(deadline="1s"), fit=text).plugins if each.name == "fit"]
    assert info.state == "failed"
    assert words in info.error
    assert info.error.startswith("plugins/fit.py:")
