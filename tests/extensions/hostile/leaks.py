"""Leaves tasks behind that never end."""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.leaks`."""

    name = "leaks"

    class Params(BaseModel):
        """Takes nothing."""

    async def stay(self):
        while True:
            await asyncio.sleep(0.01)

    async def run(self, state, params, ctx):
        tasks = [asyncio.create_task(self.stay()) for _ in range(100)]
        return {"said": len(tasks)}


@hookimpl
def register_steps():
    """Supply `step.leaks`."""
    return [Hostile()]
