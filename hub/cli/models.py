"""`hubbub models`: the local embedding model, fetched when someone says so and never on the fly."""

from __future__ import annotations

import click

from hub.cli.program import Target


@click.group("models")
def command() -> None:
    """Fetch the embedding model that search by meaning needs."""


@command.command()
@click.option("--from", "url", metavar="URL", help="Another address with the same files (a mirror).")
@click.pass_obj
def pull(target: Target, url: str | None) -> None:
    """Download the model into the workspace's cache and check it; goes on where it was interrupted."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from runtime.search.models import BASE_URL, MODELS, pull_model

    settings = target.settings()
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    for name in MODELS:
        with Progress(*columns) as bars:
            tasks = {file.name: bars.add_task(file.name, visible=False) for file in MODELS[name]}

            def show(file: str, done: int, total: int, bars: Progress = bars, tasks: dict = tasks) -> None:  # type: ignore[type-arg]
                bars.update(tasks[file], completed=done, total=total or None, visible=True)

            folder = pull_model(name, url or BASE_URL, target=settings.var / "models", progress=show)
        click.echo(f"The model {name} is in {folder}; run `hubbub index` again to add vectors.")
