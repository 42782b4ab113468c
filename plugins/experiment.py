"""step.experiment: puts a user into a group of an experiment, into the same one each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hubbub import Context, JsonObject, hookimpl
from hubbub.recommending import group_of


class Group(BaseModel):
    """How large a group is; every further field is a value that its users get."""

    model_config = ConfigDict(extra="allow")

    share: float = Field(default=1.0, gt=0, le=1_000_000)


class Assignment(BaseModel):
    """Who is put into which experiment."""

    user: str = Field(description="whose group is asked for")
    experiment: str = Field(min_length=1, description="its name: in each a user is put anew")
    groups: dict[str, Group] = Field(min_length=1, description="groups with their shares and values")


class Experiment:
    """Decides by a hash, so nothing is stored and nothing has to be looked up."""

    name = "experiment"
    Params = Assignment

    async def run(self, state: Mapping[str, Any], params: Assignment, ctx: Context) -> JsonObject:
        """Return `{group}` and the group's values."""
        shares = {name: group.share for name, group in params.groups.items()}
        name = group_of(ctx.tenant, params.experiment, params.user, shares)
        return {**(params.groups[name].model_extra or {}), "group": name}


@hookimpl
def register_steps() -> list[Experiment]:
    """Supply `step.experiment`."""
    return [Experiment()]
