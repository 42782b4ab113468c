"""Reads where nothing is.  For a process of its own."""

import ctypes

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.crashes`."""

    name = "crashes"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        ctypes.string_at(0)


@hookimpl
def register_steps():
    """Supply `step.crashes`."""
    return [Hostile()]
