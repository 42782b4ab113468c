"""An event that comes again is a failure.

Found by: an event may come again.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"

    def __init__(self):
        self.seen = []

    async def on_event(self, event, ctx):
        if event.id in self.seen:
            raise ValueError("twice")
        self.seen.append(event.id)


@hookimpl
def register_subscribers():
    return [Bad()]
