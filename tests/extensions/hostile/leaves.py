"""Ends the program, as it thinks."""

import sys

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.leaves`."""

    name = "leaves"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        sys.exit(3)


@hookimpl
def register_steps():
    """Supply `step.leaves`."""
    return [Hostile()]
