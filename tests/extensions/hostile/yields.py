"""A provider that yields without end, and never waits."""

from hubbub import Delta, hookimpl


class Hostile:
    """Used as the candidate `yields`."""

    name = "yields"

    async def stream(self, request, ctx):
        """Say the same word for ever."""
        while True:
            yield Delta(text="and ")


@hookimpl
def register_providers():
    """Supply the provider `yields`."""
    return [Hostile()]
