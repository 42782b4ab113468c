"""Ends its process at once.  For a process of its own."""

import os

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.exits`."""

    name = "exits"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        os._exit(3)


@hookimpl
def register_steps():
    """Supply `step.exits`."""
    return [Hostile()]
