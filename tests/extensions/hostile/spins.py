"""Holds up a thread of its own without end."""

from pathlib import Path

from pydantic import BaseModel

from hubbub import hookimpl


class Hostile:
    """Used as `step.spins`."""

    name = "spins"

    class Params(BaseModel):
        """Takes nothing."""

    def run(self, state, params, ctx):
        while not (Path(__file__).parent / "let-go").exists():
            pass


@hookimpl
def register_steps():
    """Supply `step.spins`."""
    return [Hostile()]
