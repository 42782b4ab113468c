"""step.experiment: puts a user into a group of an experiment, into the same one each time."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hubbub import Context, JsonObject, hookimpl

_SIZE = 2**64


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
        text = "\0".join((ctx.tenant, params.experiment, params.user))
        place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / _SIZE
        names = list(params.groups)
        bounds = list(accumulate(group.share for group in params.groups.values()))
        name = names[min(bisect(bounds, place * bounds[-1]), len(names) - 1)]
        return {**(params.groups[name].model_extra or {}), "group": name}


@hookimpl
def register_steps() -> list[Experiment]:
    """Supply `step.experiment`."""
    return [Experiment()]
