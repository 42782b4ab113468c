"""The event's data is changed, which others see too.

Found by: what it is given stays as it was.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"

    async def on_event(self, event, ctx):
        event.data.pop("event", None)


@hookimpl
def register_subscribers():
    return [Bad()]
