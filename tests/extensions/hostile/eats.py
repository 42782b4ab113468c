"""Takes 2 GiB.  For a process of its own."""

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.eats`."""

    name = "eats"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        return {"said": len(bytearray(2 << 30))}


@hookimpl
def register_steps():
    """Supply `step.eats`."""
    return [Hostile()]
