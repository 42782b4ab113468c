"""`hubbub doctor`: what is missing or broken, each with the command that mends it."""

from __future__ import annotations

from dataclasses import asdict

import click

from hub.cli.output import print_json
from hub.cli.program import Target

_MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(target: Target, as_json: bool) -> int:
    """Look at everything Hubbub needs here.

    A note is something that works with less; exits with 1 when something does not work.
    """
    from hub.cli.checks import examine

    findings = list(examine(target))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{_MARKS[finding.state]}  {finding.what}: {finding.sentence}")
            if finding.remedy:
                click.echo(f"      -> {finding.remedy}")
    return 1 if any(finding.state == "bad" for finding in findings) else 0
