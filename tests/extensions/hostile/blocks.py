"""Holds up the event loop until its file is there."""

import time
from pathlib import Path

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.blocks`."""

    name = "blocks"

    class Params(BaseModel):
        """Takes nothing."""

    async def run(self, state, params, ctx):
        while not (Path(__file__).parent / "let-go").exists():
            time.sleep(0.001)
        return {"said": "at last"}


@hookimpl
def register_steps():
    """Supply `step.blocks`."""
    return [Hostile()]
