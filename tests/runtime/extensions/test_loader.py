"""Every file is loaded on its own; whatever is wrong with one is a sentence beside its name."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.extensions import finder, header, loader
from runtime.extensions.catalog import Catalog, PluginInfo
from runtime.extensions.loader import close_plugins, load_plugins, start_plugins
from runtime.settings import Settings
from runtime.telemetry.metrics import Metrics

Load = Callable[..., Catalog]
LoadOne = Callable[..., PluginInfo]

FIT = """
from pydantic import BaseModel
from hubbub import Score, hookimpl

class Settings(BaseModel):
    big: int = 500

class Fit:
    name = "fit"
    def __init__(self, big): self.big = big
    async def score(self, item, ctx):
        return Score(value=min(1.0, item["employees"] / self.big))

@hookimpl
def register_scorers(settings):
    return [Fit(settings.big)]
"""

SCORER = """
from hubbub import Score, hookimpl

class Fit:
    name = "{name}"
    async def score(self, item, ctx):
        return Score(1.0)

@hookimpl
def register_scorers():
    return [Fit()]
"""


def _named(catalog: Catalog, name: str) -> list[PluginInfo]:
    return [info for info in catalog.plugins if info.name == name]


def test_a_drop_in_file_is_a_whole_plugin(load: Load) -> None:
    catalog = load("[plugins.fit]\nbig = 50\n", fit=FIT)
    (info,) = _named(catalog, "fit")
    assert (info.state, info.kind, info.file) == ("ready", "drop-in", "plugins/fit.py")
    assert (info.error, info.supplies) == ("", ("scorer.fit",))
    found = catalog.get("scorer", "fit")
    assert found is not None
    assert found.value.big == 50


def test_the_first_party_plugins_are_there_in_every_workspace(load: Load) -> None:
    catalog = load()
    assert {info.kind for info in catalog.plugins} == {"first-party"}
    # Without the keys of vendors they are there, but nobody asks them.
    assert {info.name for info in catalog.plugins if info.error} <= {
        "openai",
        "openai_responses",
        "anthropic",
    }
    assert all(info.missing_secret for info in catalog.plugins if info.error)
    assert {"dense", "hybrid", "keyword"} <= set(catalog.names("retriever"))
    assert catalog.get("embedder", "minilm")
    assert catalog.get("provider", "extractive")


def test_a_first_party_plugin_without_its_packages_is_left_out_with_the_install_line(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, "missing_requirement", lambda wanted: wanted if "redis" in wanted else "")
    catalog = load(mine='# /// script\n# dependencies = ["redis>=6"]\n# ///\n')
    states = {info.name: (info.state, info.error) for info in catalog.plugins}
    assert states["redis"][0] == "disabled"
    assert "it needs redis>=6, not installed here; run: " in states["redis"][1]
    assert states["mine"][0] == "failed", "a drop-in was asked for"


def test_the_workspace_whose_folder_is_the_first_party_one_loads_each_file_once() -> None:
    root = finder.FIRST_PARTY.parent
    catalog = load_plugins(Settings(workspace=root, plugins={"folder": root / "plugins"}))  # type: ignore[arg-type]
    assert len(_named(catalog, "dense")) == 1
    assert {info.state for info in catalog.plugins} == {"ready"}


def test_a_first_party_folder_reached_over_a_link_loads_once(tmp_path: Path) -> None:
    (tmp_path / "plugins").symlink_to(finder.FIRST_PARTY)
    catalog = load_plugins(Settings(workspace=tmp_path, plugins={"folder": tmp_path / "plugins"}))  # type: ignore[arg-type]
    assert len(_named(catalog, "dense")) == 1


BROKEN = {
    "raises at import": ("x = 1\nraise OSError('no such thing')", "plugins/bad.py:2: OSError: no such thing"),
    "syntax error": ("x = 1\ndef f(:\n    pass", "plugins/bad.py:2: SyntaxError: invalid syntax"),
    "return outside a function": (
        "x = 1\nreturn",
        "plugins/bad.py:2: SyntaxError: 'return' outside function",
    ),
    "calls sys.exit": ("import sys\nsys.exit(0)", "plugins/bad.py:2: it called sys.exit"),
    "recurses without end": ("def f():\n    return f()\nf()", "it calls itself without end"),
    "a base exception of its own": (
        "class Stop(BaseException): pass\nraise Stop('enough')",
        "plugins/bad.py:2: Stop: enough",
    ),
    "raises an error of ours": (
        "from hubbub import PluginError\nraise PluginError('No licence; buy one.')",
        "plugins/bad.py:2: No licence; buy one; mend that line",
    ),
    "raises what cannot be shown": (
        "class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd",
        "plugins/bad.py:3: Odd; mend that line",
    ),
    "imports what is not there": (
        "import no_such_package_at_all.inside",
        "plugins/bad.py:1: it imports no_such_package_at_all, which is not installed; name the package that "
        "has it in the file's `# /// script` header, and if it has that name, run: ",
    ),
    "registers nothing": ("x = 1", "plugins/bad.py: it registers nothing"),
    "forgets the marker": (
        "x = 1\ndef register_scorers():\n    return []",
        "plugins/bad.py:2: register_scorers is no hook without @hookimpl",
    ),
    "misspells a hook": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorer():\n    return []",
        "there is no hook register_scorer; did you mean register_scorers?",
    ),
    "asks for more than settings": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers(settings, engine):\n    return []",
        "engine",
    ),
    "async hook": (
        "from hubbub import hookimpl\n@hookimpl\nasync def register_scorers():\n    return []",
        "register_scorers is async; hooks are plain functions",
    ),
    "raises in a hook": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers():\n    return 1 / 0",
        "plugins/bad.py:4: ZeroDivisionError: division by zero",
    ),
    "returns no list": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers():\n    return 7",
        "register_scorers returns int; return a list of objects",
    ),
    "returns an empty list": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers():\n    return []",
        "its hooks return nothing",
    ),
    "a dependency that is not here": (
        '# /// script\n# dependencies = ["no-such-package-at-all>=3"]\n# ///\nimport no_such_package_at_all',
        "it needs no-such-package-at-all>=3, not installed here; run: ",
    ),
    "not text": ("\0", "plugins/bad.py"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_its_mistake(plugin: LoadOne, text: str, words: str) -> None:
    info = plugin(text)
    assert info.state == "failed"
    assert words in info.error
    assert "bad.py" in info.error
    assert "\n" not in info.error
    assert info.supplies == ()


@pytest.mark.parametrize("text", [text for text, _ in BROKEN.values()], ids=BROKEN)
def test_a_broken_file_leaves_the_others_alone(load: Load, text: str) -> None:
    modules = set(sys.modules)
    catalog = load(bad=text, fit=FIT)
    assert catalog.get("scorer", "fit")
    assert catalog.get("retriever", "keyword")
    left = {name for name in set(sys.modules) - modules if name.startswith("hubbub_plugin_bad")}
    assert left == set()


def _supplying(hook: str, body: str, returned: str = "[Odd()]") -> str:
    return (
        "from pydantic import BaseModel\nfrom hubbub import hookimpl\n"
        f"class Odd:\n    {body}\n@hookimpl\ndef {hook}():\n    return {returned}\n"
    )


SHAPES = {
    "no name": ("register_scorers", "async def score(self, item, ctx): ...", "has no name"),
    "a name with a space": (
        "register_scorers",
        "name = 'a b'\n    async def score(self, item, ctx): ...",
        "has the name 'a b'",
    ),
    "no method": ("register_scorers", "name = 'odd'", "has no method score(item, ctx); add it"),
    "too few arguments": (
        "register_scorers",
        "name = 'odd'\n    async def score(self, item): ...",
        "score that does not take (item, ctx)",
    ),
    "yields instead of returning": (
        "register_scorers",
        "name = 'odd'\n    async def score(self, item, ctx): yield 1",
        "score that yields; return the result instead",
    ),
    "returns instead of yielding": (
        "register_providers",
        "name = 'odd'\n    async def stream(self, request, ctx): return []",
        "stream that returns and never yields",
    ),
    "an embedder without a size": (
        "register_embedders",
        "name = 'odd'\n    def embed(self, texts, ctx): ...",
        "has no size",
    ),
    "a tool without Args": (
        "register_tools",
        "name = 'odd'\n    description = 'x'\n    async def run(self, args, ctx): ...",
        "has no Args that is a pydantic model",
    ),
    "a tool without a description": (
        "register_tools",
        "name = 'odd'\n    class Args(BaseModel): ...\n    async def run(self, args, ctx): ...",
        "has no description",
    ),
    "Params that are no model": (
        "register_retrievers",
        "name = 'odd'\n    Params = dict\n    async def search(self, query, k, ctx): ...",
        "has no Params that is a pydantic model",
    ),
    "a guardrail without a stage": (
        "register_guardrails",
        "name = 'odd'\n    async def check(self, text, ctx): ...",
        "has no stage",
    ),
    "a property that raises": (
        "register_scorers",
        "@property\n    def name(self): raise OSError('gone')",
        "plugins/bad.py:5: OSError: gone",
    ),
    "a start that is no method": (
        "register_scorers",
        "name = 'odd'\n    start = 3\n    async def score(self, item, ctx): ...",
        "has start, which is no method",
    ),
}


@pytest.mark.parametrize(("hook", "body", "words"), SHAPES.values(), ids=SHAPES)
def test_an_object_of_the_wrong_shape_is_refused_with_the_right_one(
    plugin: LoadOne, hook: str, body: str, words: str
) -> None:
    info = plugin(_supplying(hook, body))
    assert info.state == "failed"
    assert words in info.error
    assert info.error.startswith("plugins/bad.py:")


def test_a_class_instead_of_an_object_is_refused(plugin: LoadOne) -> None:
    body = "name = 'odd'\n    async def score(self, item, ctx): ..."
    assert "return an object of it: Odd(…)" in plugin(_supplying("register_scorers", body, "[Odd]")).error


def test_every_kind_of_object_can_be_supplied(load: Load) -> None:
    everything = """
    import click
    from langgraph.graph import StateGraph
    from pydantic import BaseModel
    from hubbub import hookimpl

    class All:
        name, size, description, stage, schema = "all", 3, "It does all.", "input", {}
        class Args(BaseModel): ...
        class Params(BaseModel): ...
        async def stream(self, request, ctx): yield 1
        def embed(self, texts, ctx): ...
        async def search(self, query, k, ctx): ...
        async def score(self, item, ctx): ...
        async def recommend(self, user, k, ctx): ...
        async def predict(self, inputs, ctx): ...
        async def run(self, state, params=None, ctx=None): ...
        async def check(self, text, ctx): ...
        async def get(self, key): ...
        async def set(self, key, value, ttl): ...
        async def delete(self, key): ...
        async def on_event(self, event, ctx): ...

    def hooks():
        for kind in KINDS:
            def hook(): return [All()]
            globals()[f"register_{kind}s"] = hookimpl(hook)

    KINDS = ("provider embedder retriever scorer recommender model tool step guardrail cache "
             "subscriber").split()
    hooks()

    @hookimpl
    def register_commands(): return [click.Command("all")]

    @hookimpl
    def register_graphs(): return {"all": StateGraph(dict)}
    """
    catalog = load(everything=everything)
    (info,) = _named(catalog, "everything")
    assert info.error == ""
    assert len(info.supplies) == 13
    assert {found.kind for found in catalog.registered if found.name == "all"} == {
        supplied.removesuffix(".all") for supplied in info.supplies
    }
    found = catalog.get("step", "all")
    assert found is not None
    assert found.Params is found.value.Params


def test_two_objects_of_one_name_in_a_file_are_refused(plugin: LoadOne) -> None:
    body = "name = 'odd'\n    async def score(self, item, ctx): ..."
    info = plugin(_supplying("register_scorers", body, "[Odd(), Odd()]"))
    assert "two scorers named odd" in info.error


def test_a_clash_of_names_is_an_error_that_names_both_files(load: Load) -> None:
    catalog = load(one=SCORER.format(name="fit"), two=SCORER.format(name="fit"))
    (one,), (two,) = _named(catalog, "one"), _named(catalog, "two")
    assert (one.state, two.state) == ("ready", "failed")
    assert two.error == (
        "plugins/two.py: its scorer fit is supplied by plugins/one.py already; "
        'rename it, or put "one" into [plugins] disabled'
    )
    found = catalog.get("scorer", "fit")
    assert found is not None
    assert found.plugin.name == "one"


def test_a_drop_in_takes_the_place_of_the_first_party_plugin_of_its_name(load: Load) -> None:
    catalog = load(dense=SCORER.format(name="fit"))
    (info,) = _named(catalog, "dense")
    assert (info.kind, info.state, info.file) == ("drop-in", "ready", "plugins/dense.py")
    assert catalog.get("retriever", "dense") is None
    assert catalog.get("scorer", "fit")


def test_a_broken_drop_in_does_not_bring_the_first_party_plugin_back(load: Load) -> None:
    (info,) = _named(load(dense="1 / 0"), "dense")
    assert (info.kind, info.state) == ("drop-in", "failed")


def test_a_drop_in_may_supply_what_a_disabled_plugin_did(load: Load) -> None:
    mine = """
    from hubbub import hookimpl
    class Mine:
        name = "keyword"
        async def search(self, query, k, ctx): return []
    @hookimpl
    def register_retrievers(): return [Mine()]
    """
    found = load('[plugins]\ndisabled = ["keyword"]\n', mine=mine).get("retriever", "keyword")
    assert found is not None
    assert found.plugin.name == "mine"


def test_a_disabled_plugin_is_listed_and_not_run(load: Load, tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    catalog = load('[plugins]\ndisabled = ["fit"]\n', fit=f"open({str(trace)!r}, 'w')")
    (info,) = _named(catalog, "fit")
    assert (info.state, info.error) == ("disabled", "")
    assert not trace.exists()


def test_a_name_in_the_settings_that_no_plugin_has_is_a_warning(load: Load) -> None:
    catalog = load('[plugins]\ndisabled = ["keywrd"]\n[plugins.dens]\nx = 1\n')
    assert any("keywrd" in words and "did you mean keyword?" in words for words in catalog.warnings)
    assert any("dens" in words and "did you mean dense?" in words for words in catalog.warnings)


def test_files_that_begin_with_an_underscore_and_other_files_are_no_plugins(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / "plugins" / "folder").mkdir(parents=True)
    (tmp_path / "plugins" / "notes.txt").write_text("not Python")
    catalog = load(_shared="1 / 0")
    assert {info.kind for info in catalog.plugins} == {"first-party"}


def test_a_file_whose_name_cannot_be_a_plugin_is_told_so(load: Load) -> None:
    (info,) = _named(load(**{"my plugin": FIT}), "my plugin")
    assert info.state == "failed"
    assert "rename the file" in info.error


def test_a_folder_named_like_a_plugin_is_told_so(load: Load, tmp_path: Path) -> None:
    (tmp_path / "plugins" / "bad.py").mkdir(parents=True)
    (info,) = _named(load(), "bad")
    assert info.error.startswith("plugins/bad.py: it is no file")


def test_a_pipe_named_like_a_plugin_is_not_waited_for(load: Load, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    os.mkfifo(tmp_path / "plugins" / "bad.py")
    (info,) = _named(load(), "bad")
    assert info.error.startswith("plugins/bad.py: it is no file")


def test_a_file_where_the_folder_should_be_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("not a folder")
    catalog = load_plugins(Settings(workspace=tmp_path, plugins={"folder": tmp_path / "plugins"}))  # type: ignore[arg-type]
    assert any("plugins cannot be read" in words for words in catalog.warnings)
    assert catalog.get("retriever", "keyword")


def test_importing_the_insides_is_a_warning_with_its_line(load: Load) -> None:
    catalog = load(fit=f"import runtime.types\n{FIT}")
    assert any(words.startswith("plugins/fit.py:1: it imports runtime.types") for words in catalog.warnings)
    assert catalog.get("scorer", "fit")


def test_a_missing_setting_is_named_with_its_table(plugin: LoadOne) -> None:
    info = plugin(FIT.replace("big: int = 500", "big: int"))
    assert info.state == "failed"
    assert "[plugins.bad] needs big; add it" in info.error


def test_a_plugin_without_its_secret_is_ready_and_says_what_is_missing(plugin: LoadOne) -> None:
    info = plugin(
        FIT.replace("big: int", "key: str = ''\n    big: int"), '[plugins.bad]\nkey = "secret:NO_SUCH_KEY"\n'
    )
    assert info.state == "ready"
    assert info.missing_secret is not None
    assert "NO_SUCH_KEY" in info.error
    assert info.supplies == ("scorer.fit",)


def test_a_secret_that_is_named_wrongly_is_said(plugin: LoadOne) -> None:
    text = FIT.replace("big: int", "key: str = ''\n    big: int")
    info = plugin(text, '[plugins.bad]\nkey = "secret:not a name"\n')
    assert info.state == "failed"
    assert info.error.startswith("[plugins.bad] key names a secret in a way that cannot be looked up")


def test_the_deadline_of_the_settings_is_that_of_every_call(load: Load) -> None:
    found = load('[plugins.fit.host]\ndeadline = "3s"\n', fit=FIT).get("scorer", "fit")
    assert found is not None
    assert found.host.bounds.deadline == 3.0


def test_the_objects_of_a_plugin_share_their_threads_with_nobody_else(load: Load) -> None:
    two = SCORER.format(name="one").replace(
        "return [Fit()]", "a, b = Fit(), Fit(); b.name = 'two'; return [a, b]"
    )
    catalog = load(both=two, fit=FIT)
    one, other, fit = (catalog.get("scorer", name) for name in ("one", "two", "fit"))
    assert one and other and fit  # noqa: PT018
    assert one.host.threads is other.host.threads
    assert one.host.threads is not fit.host.threads


def test_an_edit_within_the_same_second_and_of_the_same_size_is_loaded(load: Load) -> None:
    load(fit=SCORER.format(name="one"))
    names = load(fit=SCORER.format(name="two")).names("scorer")
    assert ("two" in names, "one" in names) == (True, False)


def test_two_files_may_be_loaded_again_beside_each_other(load: Load) -> None:
    first, second = load(fit=FIT), load(fit=FIT)
    one, two = first.get("scorer", "fit"), second.get("scorer", "fit")
    assert one and two  # noqa: PT018
    assert type(one.value) is not type(two.value)


def test_what_a_plugin_prints_does_not_reach_standard_output(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    load(fit=f"print('at import')\n{FIT.replace('return [Fit', 'print(1); return [Fit')}")
    assert capsys.readouterr().out == ""


def test_metrics_are_given_to_what_is_registered(workspace: Callable[..., Settings]) -> None:
    metrics = Metrics()
    found = load_plugins(workspace(fit=FIT), metrics).get("scorer", "fit")
    assert found is not None
    assert found.host.tally is metrics.plugin_tally("fit")


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys, json; from pathlib import Path; from runtime.config import load_settings;"
        "from runtime.extensions.loader import load_plugins; load_plugins(load_settings(Path(sys.argv[1])));"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {"langgraph", "langchain_core", "chromadb", "onnxruntime", "numpy", "aiohttp", "hub"}
    assert heavy & set(json.loads(done.stdout)) == set()


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
    (info,) = _named(started, "fit")
    assert (info.state, info.supplies) == ("failed", ())
    assert "ZeroDivisionError" in info.error
    assert started.get("scorer", "fit") is None
    assert started.get("retriever", "keyword")
    assert seen == ["aclose"]
    await close_plugins(started)


async def test_a_start_that_hangs_is_given_up(load: Load) -> None:
    text = "import asyncio\n" + LIVELY.format(start="await asyncio.sleep(600)", aclose="...")
    started = await start_plugins(load('[plugins.fit.host]\ndeadline = "50ms"\n', fit=text))
    (info,) = _named(started, "fit")
    assert "within 0.05 s" in info.error


async def test_closing_never_raises(load: Load) -> None:
    text = LIVELY.format(start="...", aclose="seen.append('aclose'); raise SystemExit(3)")
    catalog = load(fit=text)
    seen = _seen(catalog)
    await close_plugins(catalog)
    assert seen == ["aclose"]


async def test_a_closed_plugin_leaves_no_module(load: Load) -> None:
    catalog = load(fit=FIT)
    (info,) = _named(catalog, "fit")
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
    assert [info.state for info in _named(started, "fit")] == ["ready"]


def test_a_file_that_never_ends_is_given_up_and_the_others_are_loaded(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loader, "LOAD_TIMEOUT", 0.5)
    output = sys.stdout
    go = tmp_path / "go"
    catalog = load(
        endless=f"import time, pathlib\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)",
        fit=FIT,
    )
    go.touch()
    (info,) = _named(catalog, "endless")
    assert info.error.startswith("plugins/endless.py: it was not loaded within 0.5 s; ")
    assert catalog.get("scorer", "fit")
    assert sys.stdout is output


def _install(folder: Path, text: str, entry: str = "parcel = parcel_plugin") -> None:
    """Put a package where Python finds it, as an installer does."""
    about = folder / "parcel-1.2.dist-info"
    about.mkdir(parents=True)
    (folder / "parcel_plugin.py").write_text(text)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parcel\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(f"[hubbub]\n{entry}\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "packages"
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("parcel_plugin", None)


def test_an_installed_package_is_a_plugin_with_its_version(load: Load, packages: Path) -> None:
    _install(packages, SCORER.format(name="weigh"))
    catalog = load()
    (info,) = _named(catalog, "parcel")
    assert (info.state, info.kind, info.file, info.version) == ("ready", "package", "package parcel", "1.2")
    assert catalog.get("scorer", "weigh")


BROKEN_PACKAGES = {
    "raises": ("1 / 0", "parcel = parcel_plugin", "package parcel:1: ZeroDivisionError: division by zero"),
    "is not there": ("", "parcel = no_such_module", "package parcel: there is no module no_such_module"),
    "registers nothing": ("x = 1", "parcel = parcel_plugin", "package parcel: it registers nothing"),
}


@pytest.mark.parametrize(("text", "entry", "words"), BROKEN_PACKAGES.values(), ids=BROKEN_PACKAGES)
def test_a_broken_package_is_named_with_its_mistake(
    load: Load, packages: Path, text: str, entry: str, words: str
) -> None:
    _install(packages, text, entry)
    (info,) = _named(load(), "parcel")
    assert info.state == "failed"
    assert info.error.startswith(words)


def test_a_package_does_not_take_the_name_of_another_plugin_and_a_drop_in_takes_its(
    load: Load, packages: Path
) -> None:
    _install(packages, SCORER.format(name="weigh"), "dense = parcel_plugin\nparcel = parcel_plugin")
    catalog = load(parcel=FIT)
    assert any("the package parcel has a plugin dense" in words for words in catalog.warnings)
    assert [info.kind for info in _named(catalog, "dense")] == ["first-party"]
    assert [info.kind for info in _named(catalog, "parcel")] == ["drop-in"]
