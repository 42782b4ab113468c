"""`hubbub train`: fit models, and say what was tried and what won."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, print_table
from hub.cli.program import Target
from hub.cli.train_lead import lead

if TYPE_CHECKING:
    from runtime.settings import Settings

_GROUPS = {
    "0": "had nothing",
    "1": "had 1 to 4",
    "5": "had 5 to 19",
    "20": "had 20 or more",
    "back": "came back",
}


@click.group("train")
def command() -> None:
    """Fit models to what the workspace knows."""


command.add_command(lead)


@command.command("recommend")
@click.option("--tenant", default="default", show_default=True, help="Whose events.")
@click.option(
    "--eval",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Only judge, on the events of a CSV file with the columns user, item and at.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def recommend(target: Target, tenant: str, file: Path | None, as_json: bool) -> None:
    """Fit recommendations to the events of a tenant; the hub uses them from then on.

    Everything is tried on the newest tenth of the events (NDCG@10) and the best is chosen, for users who
    had nothing, little or much apart.
    """
    if file:
        from runtime.recommend.judging import judge

        judged = judge(file)
        print_json(judged) if as_json else _print_judged(judged)
        return
    said = asyncio.run(_fit(target.settings(), tenant))
    print_json(said) if as_json else _print_fitted(said)


async def _fit(settings: Settings, tenant: str) -> Mapping[str, Any]:
    from hub.cli.workspace import open_desk

    async with open_desk(settings) as desk:
        return await desk.fit(tenant)


def _print_fitted(said: Mapping[str, Any]) -> None:
    click.echo(
        f"{said['events']} events of {said['users']} users with {said['items']} items, and "
        f"{said['new_items']} new items, fitted in {said['seconds']:.1f} s."
    )
    if said["ndcg"] is None:
        click.echo("There are too few events to compare; what is usually best is used.")
        return
    click.echo("NDCG@10 on the newest tenth of the events, by what users had:\n")
    rows = [_row(trial["name"], trial["ndcg"]) for trial in said["trials"]]
    print_table(rows, ["tried", *_GROUPS.values()], empty="")
    click.echo(f"\nOver all users {said['ndcg']:.3f}, with what was chosen:")
    for bucket, recipe in said["chosen"].items():
        click.echo(f"  who {_GROUPS[bucket]}: {recipe} ({said['asked'].get(bucket, 0)} asked about)")


def _print_judged(said: Mapping[str, Any]) -> None:
    click.echo(f"{said['events']} events of {said['users']} users with {said['items']} items.")
    for split, found in said["splits"].items():
        click.echo(f"\n{split}: NDCG@10 of a fifth of the events\n")
        rows = [
            {"list": name, "all": f"{each['all']:.3f}", **_row("", each["ndcg"])}
            for name, each in found.items()
        ]
        print_table(rows, ["list", "all", *_GROUPS.values()], empty="")


def _row(name: str, scores: Mapping[str, float]) -> dict[str, str]:
    found = {title: f"{scores[bucket]:.3f}" for bucket, title in _GROUPS.items() if bucket in scores}
    return {"tried": name, **found}
