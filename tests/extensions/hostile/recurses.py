"""Calls itself without end."""

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.recurses`."""

    name = "recurses"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        return await self.run(state, params, ctx)


@hookimpl
def register_steps():
    """Supply `step.recurses`."""
    return [Hostile()]
