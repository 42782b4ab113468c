"""A plugin's settings are checked against its own model, and every mistake has its place in the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from runtime.errors import PluginError
from runtime.extensions.plugin_settings import plugin_settings
from runtime.settings import Settings

Workspace = Callable[..., Settings]


class Server(BaseModel):
    """Where it is."""

    url: str
    port: int = Field(default=80, ge=1)


class Wanted(BaseModel):
    """What the plugin of these tests declares."""

    big: int = 500
    key: str = ""
    server: Server | None = None


class Strict(BaseModel):
    """Needs a key of some length."""

    key: str = Field(min_length=4, max_length=8)


def _mistake(declared: object, settings: Settings) -> str:
    with pytest.raises(PluginError) as caught:
        plugin_settings(declared, "fit", settings)
    return str(caught.value)


def test_values_come_from_the_plugins_own_table(workspace: Workspace) -> None:
    made, missing = plugin_settings(Wanted, "fit", workspace("[plugins.fit]\nbig = 7\n"))
    assert made == Wanted(big=7)
    assert missing is None


def test_without_a_table_the_defaults_hold(workspace: Workspace) -> None:
    assert plugin_settings(Wanted, "fit", workspace())[0] == Wanted()


def test_a_secret_that_the_plugin_itself_names_is_looked_up(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keyed(BaseModel):
        key: str = "secret:FIT_KEY"

    assert plugin_settings(Keyed, "fit", workspace())[1] is not None
    monkeypatch.setenv("FIT_KEY", "value")
    assert plugin_settings(Keyed, "fit", workspace()) == (Keyed(key="value"), None)
    assert plugin_settings(Keyed, "fit", workspace('[plugins.fit]\nkey = ""\n')) == (Keyed(key=""), None)


def test_a_plugin_without_settings_gets_none(workspace: Workspace) -> None:
    assert plugin_settings(None, "fit", workspace()) == (None, None)


def test_a_table_for_a_plugin_without_settings_is_a_mistake(workspace: Workspace) -> None:
    message = _mistake(None, workspace("[plugins.fit]\nbig = 7\n"))
    assert "config.toml:1" in message
    assert "the plugin declares no Settings; take them out" in message


def test_settings_that_are_no_model_are_a_mistake(workspace: Workspace) -> None:
    assert "write class Settings(BaseModel)" in _mistake(dict, workspace())


def test_a_misspelt_key_is_named_with_its_line_and_the_nearest_one(workspace: Workspace) -> None:
    message = _mistake(Wanted, workspace("[plugins.fit]\nbigg = 7\n"))
    assert "config.toml:2:1" in message
    assert "did you mean big?" in message


def test_a_model_that_allows_more_keys_gets_them(workspace: Workspace) -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    made, _ = plugin_settings(Open, "fit", workspace("[plugins.fit]\nanything = 7\n"))
    assert made is not None
    assert made.model_dump() == {"anything": 7}


def test_a_wrong_value_is_named_with_its_place(workspace: Workspace) -> None:
    message = _mistake(Wanted, workspace('[plugins.fit]\nbig = "many"\n'))
    assert "config.toml:2:7" in message
    assert "big is wrong" in message


def test_a_wrong_value_inside_a_table_is_named_too(workspace: Workspace) -> None:
    message = _mistake(Wanted, workspace('[plugins.fit]\nserver = { url = "x", port = 0 }\n'))
    assert "server.port is wrong" in message
    assert "config.toml:2" in message


def test_a_missing_value_is_named(workspace: Workspace) -> None:
    assert "[plugins.fit] needs key; add it" in _mistake(Strict, workspace("[plugins.fit]\n"))


def test_a_secret_is_there_as_a_plain_value(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_KEY", "s3cret-value")
    made, missing = plugin_settings(Wanted, "fit", workspace('[plugins.fit]\nkey = "secret:FIT_KEY"\n'))
    assert made == Wanted(key="s3cret-value")
    assert missing is None


def test_a_missing_secret_does_not_keep_the_plugin_from_loading(workspace: Workspace) -> None:
    made, missing = plugin_settings(Wanted, "fit", workspace('[plugins.fit]\nkey = "secret:NO_SUCH_KEY"\n'))
    assert made is not None
    assert missing is not None
    assert "NO_SUCH_KEY" in str(missing)
    assert "[plugins.fit] key" in str(missing)


def test_a_missing_secret_is_named_when_its_place_would_be_wrong_without_it(workspace: Workspace) -> None:
    message = _mistake(Strict, workspace('[plugins.fit]\nkey = "secret:NO_SUCH_KEY"\n'))
    assert "NO_SUCH_KEY" in message


def test_no_message_holds_a_secret(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky(BaseModel):
        key: str

        def model_post_init(self, context: Any, /) -> None:
            raise ValueError(f"{self.key} is too short")

    monkeypatch.setenv("FIT_KEY", "s3cret-value")
    settings = workspace('[plugins.fit]\nkey = "secret:FIT_KEY"\n')
    assert "s3cret-value" not in _mistake(Picky, settings)


def test_settings_that_were_made_in_code_have_no_place(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path, plugins={"tables": {"fit": {"bigg": 1}}})  # type: ignore[arg-type]
    assert _mistake(Wanted, settings).startswith("[plugins.fit] has no key bigg")
