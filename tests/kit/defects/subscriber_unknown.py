"""An event of a new kind is a failure.

Found by: its answers are such as its kind allows; an event may come again.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"

    async def on_event(self, event, ctx):
        {"lifecycle": print, "messages": print, "updates": print, "custom": print}[event.method]


@hookimpl
def register_subscribers():
    return [Bad()]
