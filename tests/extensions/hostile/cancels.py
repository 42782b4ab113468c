"""Cancels the task it runs in."""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.cancels`."""

    name = "cancels"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)


@hookimpl
def register_steps():
    """Supply `step.cancels`."""
    return [Hostile()]
