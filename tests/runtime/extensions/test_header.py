"""A plugin's header is checked against what is installed; nothing is ever installed."""

import shlex
import sys

import pytest

from runtime.errors import PluginError
from runtime.extensions.header import check_header, install_line


def _header(*lines: str) -> str:
    return "\n".join(["# /// script", *(f"# {line}" for line in lines), "# ///", "import os", ""])


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        _header(),
        _header('dependencies = ["pydantic>=2"]'),
        _header('requires-python = ">=3.11"', 'dependencies = ["pluggy", "orjson"]'),
        _header("dependencies = [\"no-such-package; python_version < '3'\"]"),
    ],
)
def test_a_header_whose_needs_are_met_is_fine(text: str) -> None:
    check_header(text)


def test_what_is_missing_is_named_in_one_exact_install_line() -> None:
    with pytest.raises(PluginError) as caught:
        check_header(_header('dependencies = ["no-such-package>=3", "pydantic", "pluggy>=999"]'))
    message = str(caught.value)
    assert message.startswith("it needs no-such-package>=3 and pluggy>=999, not installed here; run: ")
    command = shlex.split(message.partition("run: ")[2])
    assert command[-2:] == ["no-such-package>=3", "pluggy>=999"]
    assert sys.executable in command


def test_the_marker_of_a_requirement_is_no_part_of_the_install_line() -> None:
    with pytest.raises(PluginError) as caught:
        check_header(_header("dependencies = [\"no-such-package>=3; python_version > '3'\"]"))
    assert "python_version" not in str(caught.value)


def test_the_install_line_is_for_this_environment() -> None:
    assert sys.executable in shlex.split(install_line(["x>=1"]))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['requires-python = ">=99"'], "it needs Python >=99"),
        (['requires-python = "new"'], "is no version range"),
        (["dependencies = 3"], "must be a list"),
        (['dependencies = ["a b c"]'], "is no requirement"),
        (["dependencies = ["], "is not TOML"),
    ],
)
def test_a_header_that_cannot_be_met_or_read_says_why(lines: list[str], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        check_header(_header(*lines))


def test_two_headers_are_one_too_many() -> None:
    with pytest.raises(PluginError, match="two"):
        check_header(2 * _header('dependencies = ["pydantic"]'))
