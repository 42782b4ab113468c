"""Changes what it was given."""

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.mutates`."""

    name = "mutates"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        state.clear()
        return {"said": "done"}


@hookimpl
def register_steps():
    """Supply `step.mutates`."""
    return [Hostile()]
