"""Never answers."""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.hangs`."""

    name = "hangs"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        await asyncio.sleep(3600)


@hookimpl
def register_steps():
    """Supply `step.hangs`."""
    return [Hostile()]
