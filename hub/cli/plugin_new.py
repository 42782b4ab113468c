"""`hubbub plugin new`: a working plugin of one kind, and its test."""

from __future__ import annotations

import os
import re
import shlex
from importlib.resources import files
from pathlib import Path

import click

from hub.cli.output import program
from hub.cli.program import Target

KINDS = (
    "provider",
    "embedder",
    "retriever",
    "scorer",
    "recommender",
    "model",
    "tool",
    "step",
    "guardrail",
    "cache",
    "subscriber",
)

_TEST = '''"""The standard tests of the {kind} {name}, and your own."""

from pathlib import Path
from typing import Any

from hubbub.testing import {tests}, load

FILE = Path(__file__).parent / "{path}"


class Test{made}({tests}):
    """What every {kind} must do; `examples = (…)` of your own are better than those of the file."""

    def make(self) -> Any:
        """Return a new {kind}, loaded as the hub loads it."""
        return load(FILE, "{kind}")
'''


@click.command("new")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.pass_obj
def command(target: Target, kind: str, name: str) -> None:
    """Write plugins/NAME.py, a working plugin of this kind, and tests/test_NAME.py, which passes.

    Nothing that is there already is overwritten.
    """
    from runtime.errors import CannotStart

    settings = target.settings()
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise CannotStart(
            f"{name!r:.80} cannot be a plugin's name here; use at most 64 small letters, digits and _, "
            "a letter first."
        )
    plugin = settings.plugins.folder / f"{name}.py"
    test = settings.workspace / "tests" / f"test_{name}.py"
    made = "".join(word.capitalize() for word in name.split("_"))
    text = files("hub.cli.templates").joinpath(f"{kind}.py").read_text()
    path = Path(os.path.relpath(plugin, test.parent)).as_posix()
    written = {
        plugin: re.sub(r"\bsample\b", name, text).replace("Sample", made),
        test: _TEST.format(kind=kind, name=name, made=made, tests=f"{kind.capitalize()}Tests", path=path),
    }
    for file in written:
        if file.exists():
            raise CannotStart(f"{file} is there already; choose another name, or move it away.")
    for file, words in written.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(words)
        except OSError as error:
            raise CannotStart(f"{file} cannot be written ({error.strerror}); mend that.") from error
        click.echo(f"made {file}")
    click.echo(f"\nNext: {program()} plugin check {shlex.quote(str(plugin))}")
    click.echo(f"      pytest {shlex.quote(str(test))}")
