"""The header of a plugin file (PEP 723): which packages and which Python it needs, and are they here."""

from __future__ import annotations

import importlib.util
import platform
import re
import shlex
import sys
import tomllib
from typing import Any

from runtime.errors import PluginError


class NotInstalled(PluginError):
    """A package that the plugin needs is not here."""


_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


def check_header(text: str) -> None:
    """Return when everything the header names is installed; PluginError holds one exact install line.

    Never installs anything.
    """
    blocks = list(_BLOCK.finditer(text))
    if not blocks:
        return
    if len(blocks) > 1:
        raise PluginError("it has two `# /// script` headers; keep one")
    wanted = _read(blocks[0]["content"])
    _check_python(wanted.get("requires-python"))
    dependencies = wanted.get("dependencies", [])
    if not isinstance(dependencies, list):
        raise PluginError("dependencies in its `# /// script` header must be a list of texts; mend it")
    missing = [shown for dependency in dependencies if (shown := _missing(dependency))]
    if missing:
        names = " and ".join(missing)
        raise NotInstalled(f"it needs {names}, not installed here; run: {install_line(missing)}")


def install_line(requirements: list[str]) -> str:
    """Return the command that installs into the environment this program runs in."""
    if importlib.util.find_spec("pip") is not None:
        return shlex.join([sys.executable, "-m", "pip", "install", *requirements])
    return shlex.join(["uv", "pip", "install", "--python", sys.executable, *requirements])


def _read(content: str) -> dict[str, Any]:
    lines = (line[2:] if line.startswith("# ") else line[1:] for line in content.splitlines())
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError as error:
        raise PluginError(f"its `# /// script` header is not TOML ({error}); mend it") from None


def _check_python(wanted: object) -> None:
    if wanted is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        fits = SpecifierSet(str(wanted)).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        raise PluginError(
            f'requires-python = "{wanted}" in its `# /// script` header is no version range; '
            'write for example ">=3.11"'
        ) from None
    if not fits:
        raise PluginError(
            f"it needs Python {wanted} and this is {platform.python_version()}; "
            "run the hub with such a Python"
        )


def missing_requirement(requirement: str) -> str:
    """Return the requirement when it is not met here, "" when it is; ValueError when it is none."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(requirement)
    except InvalidRequirement:
        raise ValueError(
            f'"{requirement}", which is no requirement; write for example "httpx>=0.27"'
        ) from None
    if wanted.marker is not None and not wanted.marker.evaluate():
        return ""
    try:
        met = wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        met = False
    wanted.marker = None  # true here, and not part of an install command
    return "" if met else str(wanted)


def _missing(dependency: object) -> str:
    try:
        return missing_requirement(str(dependency))
    except ValueError:
        raise PluginError(
            f'"{dependency}" in its `# /// script` header is no requirement; write for example "httpx>=0.27"'
        ) from None
