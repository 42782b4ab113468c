"""Never answers, and ignores its cancellation."""

import asyncio
import contextlib

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.deaf`."""

    name = "deaf"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)


@hookimpl
def register_steps():
    """Supply `step.deaf`."""
    return [Hostile()]
