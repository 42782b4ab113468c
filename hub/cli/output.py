"""How the verbs print: a table for people, JSON for programs."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """Print the `columns` of `rows` under their names, or the sentence `empty`."""
    if not rows:
        click.echo(empty)
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in [list(columns), *cells]:
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())


def moment(milliseconds: float) -> str:
    """Return Unix milliseconds as people write a time of theirs."""
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M:%S")


def say(sentence: str) -> None:
    """Tell people something beside the output: on stderr, so that pipes carry results alone."""
    click.echo(sentence, err=True)


def program() -> str:
    """Return what starts this program in a shell: its name where the shell finds it, else its path."""
    beside, found = Path(sys.executable).with_name("hubbub"), shutil.which("hubbub")
    if not beside.exists() or (found and beside.samefile(found)):
        return "hubbub"
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))


def interactive() -> bool:
    """Whether a person looks at what we print beside the output."""
    return sys.stderr.isatty()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else " ".join(str(value).split())
