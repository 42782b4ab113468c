"""A workspace with plugin files, loaded as the hub loads it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.config import load_settings
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.host import Host
from runtime.extensions.loader import load_plugins
from runtime.settings import PluginHost, Settings

Load = Callable[..., Catalog]
"""Called with file names and their text (`fit="…"`), and `config` for `config.toml`."""


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[..., Settings]:
    """Write plugin files and a `config.toml`; return the settings."""

    def write(config: str = "", **files: str) -> Settings:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "config.toml").write_text(config)
        for name, text in files.items():
            (tmp_path / "plugins" / f"{name}.py").write_text(textwrap.dedent(text))
        return load_settings(tmp_path)

    return write


@pytest.fixture
def load(workspace: Callable[..., Settings]) -> Load:
    """Write plugin files and a `config.toml`; return the catalog."""

    def load_them(config: str = "", **files: str) -> Catalog:
        return load_plugins(workspace(config, **files))

    return load_them


@pytest.fixture
def plugin(load: Load) -> Callable[..., PluginInfo]:
    """Load one file named `bad`; return what the list shows of it."""

    def load_one(text: str, config: str = "") -> PluginInfo:
        return next(info for info in load(config, bad=text).plugins if info.name == "bad")

    return load_one


@pytest.fixture
def scorer() -> Callable[..., Registered]:
    """Make a registered object of any class, as if a plugin had supplied it; `options` are its bounds."""

    def make(value: Any, kind: str = "scorer", **options: Any) -> Registered:
        info = PluginInfo("fit", "drop-in", "plugins/fit.py", "ready", **options.pop("info", {}))
        host = Host("fit", metrics=options.pop("metrics", None), bounds=PluginHost(**options))
        return Registered(kind, "fit", value, info, host=host)

    return make
