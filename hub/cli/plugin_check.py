"""`hubbub plugin check`: one file alone, loaded as the hub would, and held against the standard tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.output import print_json, say
from hub.cli.program import Target, unreachable

if TYPE_CHECKING:
    from runtime.extensions.catalog import Registered
    from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `subject` is the file, or "KIND.NAME" of what it supplies."""

    file: str
    subject: str
    test: str
    state: Literal["passed", "failed", "skipped", "warning"]
    reason: str = ""


@click.command("check")
@click.argument(
    "paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(target: Target, paths: tuple[Path, ...], as_json: bool) -> int:
    """Load each FILE alone and run the standard tests that fit what it supplies.

    Its code runs, with the settings that config.toml has for it: a provider that has its key asks its
    vendor.  Exits with 1 when something is wrong.
    """
    settings = target.settings()
    files = [path.resolve() for path in paths if not path.name.startswith("_")]  # those are no plugins
    findings = [finding for file in files for finding in examine(file, settings)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    return 1 if any(finding.state == "failed" for finding in findings) else 0


def examine(path: Path, settings: Settings) -> Iterator[Finding]:
    """Yield what was found: whether the file loads alone, and how each standard test ended."""
    from hubbub.testing.checking import check
    from runtime.extensions.alone import load_alone
    from runtime.extensions.source import forget

    catalog = load_alone(path, settings)
    (plugin,) = catalog.plugins
    forget(plugin.module)
    if plugin.state != "ready":
        why = plugin.error or "it is in [plugins] disabled; take it out to check it"
        yield Finding(plugin.file, plugin.file, "it loads", "failed", why)
        return
    yield Finding(plugin.file, plugin.file, "it loads", "passed")
    if shadowed := unreachable(plugin.supplies):
        yield Finding(plugin.file, plugin.file, "its commands can be called", "failed", shadowed)
    for warning in catalog.warnings:
        yield Finding(plugin.file, plugin.file, "it loads", "warning", warning)
    for found in catalog.registered:
        subject = f"{found.kind}.{found.name}"
        if lacking := _lacking(found, settings):
            yield Finding(plugin.file, subject, "standard tests", "skipped", lacking)
        else:
            for outcome in check(found.kind, lambda: _made(path, settings, found.kind, found.name)):  # noqa: B023
                yield Finding(plugin.file, subject, outcome.test, outcome.state, outcome.reason)


def _lacking(found: Registered, settings: Settings) -> str:
    """Return what the standard tests would need and is not here, "" for nothing."""
    from hubbub.testing.checking import TESTS
    from runtime.search.models import how_to_get

    if found.kind not in TESTS:
        return "there are none for this kind"
    if found.plugin.missing_secret is not None:
        return str(found.plugin.missing_secret)
    if _model(found, settings) is None:
        advice = how_to_get(found.value.model, settings.search.models or settings.var / "models")
        return f"its model {found.value.model} is not here; {advice}"
    return ""


def _model(found: Registered, settings: Settings) -> Path | str | None:
    """Return the folder of an object's model; "" when it needs none, None when it is not here."""
    from runtime.search.models import find_model

    if found.kind not in ("embedder", "scorer") or not hasattr(found.value, "load"):
        return ""
    return find_model(found.value.model, settings.search.models, settings.var / "models")


def _made(path: Path, settings: Settings, kind: str, name: str) -> Any:
    """Return a new object: each test begins with one of its own."""
    from runtime.extensions.alone import load_alone
    from runtime.extensions.source import forget

    catalog = load_alone(path, settings)
    forget(catalog.plugins[0].module)
    found = catalog.get(kind, name)
    if found is None:
        raise AssertionError(
            f"{path.name} supplies {kind}.{name} only sometimes; let it supply the same always"
        )
    if folder := _model(found, settings):
        found.value.load(folder)
    return found.value


def _print(findings: list[Finding]) -> None:
    subject = ""
    for finding in findings:
        if finding.subject != subject:
            subject = finding.subject
            click.echo(subject)
        rest = f": {finding.reason}" if finding.reason else ""
        click.echo(f"  {finding.state}  {finding.test}{rest}")
    failed = sum(finding.state == "failed" for finding in findings)
    skipped = sum(finding.state == "skipped" for finding in findings)
    rest = f" {skipped} tests need more, as they say." if skipped else ""
    say(f"{failed} of {len(findings)} failed.{rest}" if failed else f"Nothing is wrong.{rest}")
