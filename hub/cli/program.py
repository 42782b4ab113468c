"""The verbs of the command line, each in its own file and imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from runtime.settings import Settings

VERBS = {
    "init": "Make DIR a workspace: config.toml, graphs/ and plugins/.",
    "serve": "Serve the workspace over HTTP and WebSockets; Ctrl-C or SIGTERM ends it in order.",
    "index": "Index documents: Markdown, text, HTML, PDF, DOCX, CSV, JSON Lines, and folders of them.",
    "search": "Measure on labelled queries how well search answers, and tune it.",
    "train": "Fit models to what the workspace knows.",
    "chat": "Ask GRAPH, one line at a time; the answer is shown as it is written, with its sources.",
    "run": "Run GRAPH once, in the running hub if there is one, and say why it went where and what it cost.",
    "batch": "Take each row of FILE (CSV, JSON Lines, Parquet) through GRAPH, with errors beside their rows.",
    "answer": "Answer what THREAD waits with, show how its run goes on, and print its output as JSON.",
    "events": "Print what happened on THREAD, oldest first: the durable events.",
    "threads": "List threads, the latest changed first, with their newest run.",
    "runs": "List runs, the latest accepted first.",
    "usage": "Sum up the calls of models: how many, how many broke off, their tokens, time and cost.",
    "insights": "Answer QUESTION from what was counted: runs, costs, quality, approvals, scores.",
    "views": "Look after the views: threads, runs and usage, folded from the log.",
    "graph": "Look at the graphs, try them, publish them.",
    "plugin": "Look at the plugins, make new ones, check them.",
    "models": "Fetch the embedding model that search by meaning needs.",
    "key": "Make, list and revoke API keys.",
    "doctor": "Look at everything Hubbub needs here.",
    "demo": "Index docs/, ask a question over the WebSocket, show the answer as it streams and its trace.",
}
"""Each verb with its first sentence, so that help need not import them all."""


@dataclass(frozen=True, slots=True)
class Target:
    """The workspace a command is about, and the settings given on the command line (dotted keys)."""

    workspace: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, **more: Any) -> Settings:
        """Load the settings; in the names of `more` a double underscore stands for the dot."""
        from runtime.config import load_settings

        given = {name.replace("__", "."): value for name, value in more.items() if value is not None}
        return load_settings(self.workspace, {**self.overrides, **given})


class Verbs(click.Group):
    """A group whose verbs are modules of `hub.cli` with a `command` each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs in the order a newcomer needs them."""
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what each verb does."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb; a word that is none may be a command of a plugin."""
        if cmd_name not in VERBS:
            return _of_plugins(ctx, cmd_name)
        command: click.Command = import_module(f"hub.cli.{cmd_name}").command
        return command


def unreachable(uses: Iterable[str]) -> str:
    """Say which of the commands that a plugin supplies nobody can call; "" when all can be called."""
    names = [name for kind, _, name in (use.partition(".") for use in uses) if kind == "command"]
    taken = " and ".join(name for name in names if name in VERBS)
    return f"hubbub has a verb {taken} itself, so the plugin's is never reached; rename it" if taken else ""


def _of_plugins(ctx: click.Context, name: str) -> click.Command | None:
    """Return the command that a plugin of the workspace supplies; None where there is none."""
    from runtime.errors import ConfigError
    from runtime.extensions.loader import load_plugins

    # The group's own function, which makes the target, has not run yet.
    given = dict(_override(text) for text in ctx.params.get("overrides", ()))
    try:
        catalog = load_plugins(Target(ctx.params.get("workspace", Path()), given).settings())
    except ConfigError:
        return None
    found = catalog.get("command", name)
    return found.value if found else None


def _override(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE; a value that is no TOML is taken as text."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise click.BadParameter(f"{text!r} is not KEY=VALUE; write for example hub.port=0.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="The folder with config.toml, graphs/ and plugins/ (default: this one).",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Use another value for one key of config.toml, as in hub.port=0.",
)
@click.version_option(package_name="hubbub", message="hubbub %(version)s")
@click.pass_context
def program(ctx: click.Context, workspace: Path, overrides: tuple[str, ...]) -> None:
    """Run AI agents for many people at once: graphs that analysts edit, plugins in one file, nothing lost."""
    ctx.obj = Target(workspace, dict(_override(text) for text in overrides))
