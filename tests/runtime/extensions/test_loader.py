"""Every file is loaded on its own, and what all of them supply is one catalog."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.extensions import finder, header, loader
from runtime.extensions.catalog import Catalog, PluginInfo
from runtime.extensions.loader import load_plugins
from runtime.settings import Settings
from runtime.telemetry.metrics import Metrics
from tests.runtime.extensions.texts import FIT, SCORER, named

Load = Callable[..., Catalog]
LoadOne = Callable[..., PluginInfo]


def test_a_drop_in_file_is_a_whole_plugin(load: Load) -> None:
    catalog = load("[plugins.fit]\nbig = 50\n", fit=FIT)
    (info,) = named(catalog, "fit")
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
    assert len(named(catalog, "dense")) == 1
    assert {info.state for info in catalog.plugins} == {"ready"}


def test_a_first_party_folder_reached_over_a_link_loads_once(tmp_path: Path) -> None:
    (tmp_path / "plugins").symlink_to(finder.FIRST_PARTY)
    catalog = load_plugins(Settings(workspace=tmp_path, plugins={"folder": tmp_path / "plugins"}))  # type: ignore[arg-type]
    assert len(named(catalog, "dense")) == 1


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
    (info,) = named(catalog, "everything")
    assert info.error == ""
    assert len(info.supplies) == 13
    assert {found.kind for found in catalog.registered if found.name == "all"} == {
        supplied.removesuffix(".all") for supplied in info.supplies
    }
    found = catalog.get("step", "all")
    assert found is not None
    assert found.Params is found.value.Params


def test_a_clash_of_names_is_an_error_that_names_both_files(load: Load) -> None:
    catalog = load(one=SCORER.format(name="fit"), two=SCORER.format(name="fit"))
    (one,), (two,) = named(catalog, "one"), named(catalog, "two")
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
    (info,) = named(catalog, "dense")
    assert (info.kind, info.state, info.file) == ("drop-in", "ready", "plugins/dense.py")
    assert catalog.get("retriever", "dense") is None
    assert catalog.get("scorer", "fit")


def test_a_broken_drop_in_does_not_bring_the_first_party_plugin_back(load: Load) -> None:
    (info,) = named(load(dense="1 / 0"), "dense")
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
    (info,) = named(catalog, "fit")
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
    (info,) = named(load(**{"my plugin": FIT}), "my plugin")
    assert info.state == "failed"
    assert "rename the file" in info.error


def test_a_folder_named_like_a_plugin_is_told_so(load: Load, tmp_path: Path) -> None:
    (tmp_path / "plugins" / "bad.py").mkdir(parents=True)
    (info,) = named(load(), "bad")
    assert info.error.startswith("plugins/bad.py: it is no file")


def test_a_pipe_named_like_a_plugin_is_not_waited_for(load: Load, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    os.mkfifo(tmp_path / "plugins" / "bad.py")
    (info,) = named(load(), "bad")
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
    (info,) = named(catalog, "endless")
    assert info.error.startswith("plugins/endless.py: it was not loaded within 0.5 s; ")
    assert catalog.get("scorer", "fit")
    assert sys.stdout is output
