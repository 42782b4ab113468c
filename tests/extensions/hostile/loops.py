"""Never gives the processor back.  For a process of its own."""

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.loops`."""

    name = "loops"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        while True:
            pass


@hookimpl
def register_steps():
    """Supply `step.loops`."""
    return [Hostile()]
