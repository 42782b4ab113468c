"""Gives back what is no JSON."""

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.babbles`."""

    name = "babbles"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        return {"said": object()}


@hookimpl
def register_steps():
    """Supply `step.babbles`."""
    return [Hostile()]
