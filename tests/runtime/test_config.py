"""`config.toml`, the environment and the command line become settings, or every mistake is named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from runtime.config import RunsSettings, Settings, TelemetrySettings, load_settings
from runtime.errors import CannotStart, ConfigError, InvalidInput, MissingSecret
from runtime.secrets import hide_secrets
from runtime.units import seconds, size_in_bytes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBBUB_MODELS", raising=False)


def load(folder: Path, text: str, **overrides: Any) -> Settings:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return load_settings(folder, {key.replace("__", "."): value for key, value in overrides.items()})


def mistakes(folder: Path, text: str, **overrides: Any) -> list[str]:
    """The lines of the error, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **overrides)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def labels(settings: Settings, alias: str) -> list[str]:
    """The candidates of an alias."""
    return [candidate.model for candidate in settings.models[alias].use]


# --------------------------------------------------------------------------- what is loaded


def test_without_a_file_the_defaults_hold_and_the_writer_is_extractive(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert (settings.hub.host, settings.hub.port, settings.auth.mode) == ("127.0.0.1", 8765, "open")
    assert settings.var == tmp_path.resolve() / "var"
    assert settings.plugins.folder == tmp_path.resolve() / "plugins"
    assert labels(settings, "writer") == ["extractive"]
    assert settings.document is None


def test_the_shipped_file_holds_exactly_the_defaults(tmp_path: Path) -> None:
    shipped = load(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    (tmp_path / "config.toml").unlink()
    assert shipped.model_dump() == load_settings(tmp_path).model_dump()


def test_the_shipped_file_names_and_comments_every_key() -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    for table, section in fields_of(Settings).items():
        if isinstance(section, dict):
            assert set(fields_of_section(table)) <= set(data[table]), table
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(("#", "[")):
            assert "#" in line, f"line {number} has no comment"


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    return {
        name: fields_of(field.annotation)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        else None
        for name, field in model.model_fields.items()
    }


def fields_of_section(name: str) -> list[str]:
    return [
        key
        for key in fields_of(Settings)[name]
        if (name, key) not in {("plugins", "tables"), ("plugins", "hosts")}
    ]


def test_durations_and_sizes_become_seconds_and_bytes(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        hub = { drain = "1500ms", limits = { message = "2 MiB", behind = "512KiB" } }
        [runs]
        timeout = "1h"
        [storage]
        keep = { threads = "30d" }
        """,
    )
    assert settings.hub.drain == 1.5
    assert settings.hub.limits.message == 2 * 1024 * 1024
    assert settings.hub.limits.behind == 512 * 1024
    assert settings.runs.timeout == 3600
    assert settings.storage.keep.threads == 30 * 86400
    assert load(tmp_path, 'storage.keep.threads = "forever"').storage.keep.threads is None


def test_python_code_may_give_plain_seconds() -> None:
    assert RunsSettings(timeout=2.5).timeout == 2.5


def test_paths_are_seen_from_the_workspace(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        storage = { path = "data/here" }
        search = { models = "models" }
        telemetry = { traces = "/var/log/spans.jsonl" }
        """,
    )
    assert settings.var == tmp_path.resolve() / "data/here"
    assert settings.search.models == tmp_path.resolve() / "models"
    assert settings.telemetry.traces == Path("/var/log/spans.jsonl")


def test_the_command_line_goes_before_the_file_and_none_means_not_given(tmp_path: Path) -> None:
    settings = load(tmp_path, "[hub]\nport = 1\nhost = 'localhost'", hub__port=0, hub__host=None)
    assert (settings.hub.port, settings.hub.host) == (0, "localhost")


def test_the_variable_for_models_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBUB_MODELS", "/models")
    assert load(tmp_path, "[search]\nmodels = 'elsewhere'").search.models == Path("/models")


def test_an_alias_keeps_its_candidates_in_order_and_the_writer_stays(tmp_path: Path) -> None:
    settings = load(
        tmp_path, "[models.judge]\nuse = ['anthropic:claude-haiku-5', 'ollama:llama3.2:8b', 'extractive']"
    )
    assert labels(settings, "judge") == ["anthropic:claude-haiku-5", "ollama:llama3.2:8b", "extractive"]
    assert labels(settings, "writer") == ["extractive"]


def test_a_plugin_table_stays_raw_and_its_host_table_is_ours(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        [plugins]
        disabled = ["slow"]
        [plugins.crm]
        api_key = "secret:CRM_KEY"
        nested = { a = [1, 2] }
        [plugins.crm.host]
        deadline = "5s"
        """,
    )
    assert settings.plugins.tables == {"crm": {"api_key": "secret:CRM_KEY", "nested": {"a": [1, 2]}}}
    assert settings.plugins.hosts["crm"].deadline == 5
    assert settings.plugins.disabled == ("slow",)
    assert settings.document is not None
    assert settings.document.value_place("plugins", "crm", "api_key").line == 5


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        load_settings(tmp_path).hub.port = 1


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[hub]\nprt = 1", "config.toml:2:1: [hub] has no key prt; did you mean port?"),
        ("port = 1", "config.toml:1:1: There is no table or key port; it belongs under [hub]."),
        ("[model.x]\nuse = []", "config.toml:1:2: There is no table or key model; did you mean models?"),
        ("workspace = 'x'", "config.toml:1:1: There is no table or key workspace; known are "),
        ("[hub]\nport = '1'", "config.toml:2:8: [hub] port must be a whole number, not text."),
        ("[hub]\nport = true", "config.toml:2:8: [hub] port must be a whole number, not true or false."),
        ("[hub]\nport = 65536", "config.toml:2:8: [hub] port must be at most 65535."),
        ("hub = 3", "config.toml:1:7: [hub] must be a table, not a whole number."),
        ("[hub]\ndrain = 20", "config.toml:2:9: [hub] drain must be a duration"),
        ("[hub]\ndrain = '20 minutes'", "config.toml:2:9: [hub] drain must be a duration"),
        ("[hub]\ndrain = '0s'", "config.toml:2:9: [hub] drain must be more than 0."),
        ("[hub]\nlimits = { message = 5 }", "config.toml:2:22: [hub] limits.message must be a size"),
        ("[hub]\nlimits = { messag = '5 B' }", "[hub] limits has no key messag; did you mean message?"),
        ("[hub]\norigins = ['*']", "config.toml:2:12: [hub] origins item 1 must be an origin"),
        (
            "[auth]\nmode = 'opne'",
            'config.toml:2:8: [auth] mode must be "open" or "keys"; did you mean open?',
        ),
        ("[search]\nweight = nan", "config.toml:2:10: [search] weight must be "),
        ("[search]\nembedder = ''", "[search] embedder must not be empty."),
        (
            "[storage]\nkeep = { checkpoints = 0 }",
            "config.toml:2:24: [storage] keep.checkpoints must be at least 1",
        ),
        ("[storage.keep]\nthreads = 'long'", '[storage] keep.threads must be a duration or "forever"; write'),
        ("[storage]\npath = 3", "config.toml:2:8: [storage] path must be the path of a folder"),
        ('[storage]\npath = "a\\u0000b"', "[storage] path must be the path of a folder"),
        ("[storage]\npath = '~nobody-here/x'", "[storage] path starts with ~ but names no user"),
        ("[telemetry]\notlp = 'localhost:4318'", "[telemetry] otlp must be an address"),
        ("[telemetry]\ncontent = 'yes'", "[telemetry] content must be true or false, not text."),
        ("[models.x]", 'config.toml:1:9: [models.x] needs use; add use = ["extractive"].'),
        ("[models.x]\nuse = []", "config.toml:2:7: [models.x] use is empty"),
        ("[models.x]\nuse = 'extractive'", "[models.x] use must be a list in brackets, not text."),
        ("[models.x]\nuse = ['openai:']", 'config.toml:2:8: [models.x] use item 1 must be "PROVIDER"'),
        (
            "[models.x]\nuse = [{ model = 'a:b', weight = 0 }]",
            "[models.x] use item 1.weight must be more than 0",
        ),
        ("[models.x]\nuse = [{ model = ':b' }]", 'config.toml:2:8: [models.x] use item 1 must be "PROVIDER"'),
        ("[models.x]\nuse = ['a']\nstrategy = 'best'", '[models.x] strategy must be "ordered", "weighted"'),
        ("[models.x]\nuse = ['a']\nhedge_after = 3", '[models.x] hedge_after must be a duration or "off"'),
        ("[models.x]\nuse = ['a']\ncache = { semantic = 2 }", "[models.x] cache.semantic must be at most 1"),
        ("[models.x]\nuse = ['a']\ncache = 'on'", "[models.x] cache must be a table, not text."),
        (
            "[models.'a b']\nuse = ['extractive']",
            "config.toml:1:9: The name 'a b' in [models] must be a name",
        ),
        ("[plugins]\nfodler = 'x'", "config.toml:2:1: [plugins] has no key fodler; did you mean folder?"),
        ("[plugins.x.host]\ndeadlin = '1s'", "[plugins.x.host] has no key deadlin; did you mean deadline?"),
        ("[plugins.x.host]\ndeadline = 1", "config.toml:2:12: [plugins.x.host] deadline must be a duration"),
        ("plugins = 3", "config.toml:1:11: [plugins] must be a table"),
        (
            "[hub]\nport: 3",
            'config.toml:2:1: This is written with a colon, as in YAML; in TOML write port = "…".',
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    lines = mistakes(tmp_path, text)
    assert len(lines) == 1
    assert sentence in lines[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[bus]\nredis = 'secret:R'", "config.toml:1:2: [bus] is not part of this version; take it out."),
        ("[storage]\nkeep = {}\nurl = 'x'", "config.toml:3:1: [storage] url is not part of this version"),
        (
            "[auth]\nmode = 'jwt'",
            'config.toml:2:8: [auth] mode = "jwt" is not part of this version; take it out.',
        ),
    ],
)
def test_a_key_of_a_later_version_is_refused_and_not_ignored(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (line,) = mistakes(tmp_path, text)
    assert sentence in line


def test_an_empty_table_of_a_later_version_asks_for_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "[bus]\n# redis = 'secret:REDIS_URL'\n[graphs]\n").hub.port == 8765


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = mistakes(
        tmp_path,
        "[hub]\nprt = 1\nport = 'x'\n[bus]\nredis = 'x'\n[models.w]\nuse = []\n[plugins]\nfoldr = 1\n",
        runs__queue=-1,
    )
    assert lines[0] == "command line: [runs] queue must be at least 0."
    assert [line.split(":")[1] for line in lines[1:]] == ["2", "3", "4", "7", "9"]


def test_a_mistake_on_the_command_line_has_no_place_in_the_file(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, "[hub]\nport = 1", hub__port=70000)
    assert line == "command line: [hub] port must be at most 65535."


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)


def test_a_workspace_that_is_not_there_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="hubbub init"):
        load_settings(tmp_path / "nowhere")


@given(
    st.dictionaries(
        st.sampled_from(["hub", "models", "plugins", "auth", "x", "search"]),
        st.recursive(
            st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.none(), st.floats()),
            lambda inner: st.one_of(
                st.lists(inner, max_size=2),
                st.dictionaries(
                    st.sampled_from(["use", "port", "x", "host", "folder", "limits", "mode"]),
                    inner,
                    max_size=3,
                ),
            ),
            max_leaves=6,
        ),
    )
)
def test_any_values_are_accepted_or_refused_in_sentences(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        load_settings(folder, data)
    except ConfigError as error:
        told = str(error)
    else:
        told = "."
    assert told.endswith((".", "?", '"'))
    assert "validation error" not in told


# --------------------------------------------------------------------------- secrets


def test_a_secret_comes_from_the_environment_then_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "CRM_KEY").write_text("from-the-file\n")
    (folder / "CRM_KEY").chmod(0o600)
    settings = load(tmp_path, "[secrets]\nfolder = 'secrets'")
    assert settings.secret("secret:CRM_KEY", needed_by="the plugin crm") == "from-the-file"
    monkeypatch.setenv("CRM_KEY", "from-the-environment")
    assert settings.secret("CRM_KEY", needed_by="the plugin crm") == "from-the-environment"


def test_a_missing_secret_is_named_with_who_needs_it_and_where_to_put_it(tmp_path: Path) -> None:
    settings = load(tmp_path, "[secrets]\nfolder = 'secrets'")
    with pytest.raises(MissingSecret, match=r"NO_SUCH_KEY, needed by the plugin crm.*secrets/NO_SUCH_KEY"):
        settings.secret("secret:NO_SUCH_KEY", needed_by="the plugin crm")


@pytest.mark.parametrize(
    "name", ["secret:../etc/passwd", "secret:a/b", "secret:a b", "sk-pasted", "secret:."]
)
def test_a_secret_name_is_never_a_path_and_is_not_repeated(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_settings(tmp_path).secret(name, needed_by="the plugin crm")
    assert name not in str(caught.value)


def test_a_secret_file_that_everybody_may_read_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "OPEN_KEY").write_text("open-for-all")
    (tmp_path / "OPEN_KEY").chmod(0o644)
    settings = load(tmp_path, "[secrets]\nfolder = '.'")
    assert settings.secret("OPEN_KEY", needed_by="a test") == "open-for-all"
    assert "chmod 600" in caplog.text
    assert "open-for-all" not in caplog.text


def test_resolved_secrets_are_hidden_wherever_they_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKER_KEY", 'mark"er-123')
    settings = load(tmp_path, "[plugins.crm]\nkey = 'secret:MARKER_KEY'\npasted = 'sk-pasted'")
    settings.secret("secret:MARKER_KEY", needed_by="a test")
    assert hide_secrets('x mark"er-123 y {"k": "mark\\"er-123"}') == 'x [secret] y {"k": "[secret]"}'
    assert "sk-pasted" not in repr(settings) + str(settings)
    assert "mark" not in repr(settings) + settings.model_dump_json().replace("MARKER_KEY", "")


# --------------------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("text", "value"), [("250ms", 0.25), ("20s", 20), ("1.5 m", 90), ("2h", 7200), ("7d", 604800)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("5 B", 5), ("1 KiB", 1024), ("1 mib", 1024**2), ("1.5 MB", 1_500_000)]
)
def test_a_size_is_a_number_with_a_unit(text: str, value: int) -> None:
    assert size_in_bytes(text) == value


@pytest.mark.parametrize(
    "text", ["", "20", "s", "-1s", "1e3s", "١s", "1 fortnight", "1s2", None, 5, "9" * 5000 + "s"]
)
def test_anything_else_is_neither(text: object) -> None:
    for convert in (seconds, size_in_bytes):
        with pytest.raises(ValueError, match="must be a"):
            convert(text)


def test_telemetry_is_off_by_default() -> None:
    assert TelemetrySettings() == TelemetrySettings(otlp="", traces=None, content=False, logs="console")
