"""Raises what nobody should catch."""

from pydantic import BaseModel

from hubbub import hookimpl


class Stop(BaseException):
    """Not an Exception."""


class Hostile:
    """Used as `step.stops`."""

    name = "stops"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        raise Stop("enough")


@hookimpl
def register_steps():
    """Supply `step.stops`."""
    return [Hostile()]
