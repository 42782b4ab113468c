"""`hubbub init`: a new workspace that works as it is."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path

import click

from hub.cli.output import program

_PLUGIN = '''"""A step for graphs: write `use = "step.shout"` and `text = "{{ answer }}"`."""

from pydantic import BaseModel

from hubbub import hookimpl


class Shout:
    """Turns text into capital letters."""

    name = "shout"
    examples = ({"text": "quiet"}, {"text": ""})

    class Params(BaseModel):
        """What a graph file passes."""

        text: str

    async def run(self, state, params, ctx):
        """Return the text in capital letters."""
        return params.text.upper()


@hookimpl
def register_steps():
    """Supply the step."""
    return [Shout()]
'''


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Make DIR a workspace: config.toml, graphs/ and plugins/."""
    from runtime.errors import CannotStart

    if (folder / "config.toml").exists():
        raise CannotStart(
            f"{folder / 'config.toml'} is there already; name a folder that is no workspace yet."
        )
    try:
        made = _write(folder)
    except OSError as error:
        raise CannotStart(
            f"{error.filename} cannot be written ({error.strerror}); name another folder."
        ) from error
    for file in made:
        click.echo(f"made {file}")
    here = f"{program()} --workspace {shlex.quote(str(folder))}"
    click.echo(f"\nNext: {here} index FOLDER --collection docs\n      {here} chat ask")


def _write(folder: Path) -> list[Path]:
    """Write what is not there yet; an analyst's own files are never touched."""
    contents = {Path("config.toml"): files("hub.cli").joinpath("config.toml").read_text()}
    for graph in sorted(files("graphs").iterdir(), key=lambda file: file.name):
        if graph.name.endswith(".toml"):
            contents[Path("graphs", graph.name)] = graph.read_text()
    contents[Path("plugins/shout.py")] = _PLUGIN
    contents[Path(".gitignore")] = "var/\n"
    made = []
    for name, text in contents.items():
        file = folder / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            made.append(file)
    return made
