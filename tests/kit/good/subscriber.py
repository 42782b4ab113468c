"""Counts the events of each kind, each once."""

from hubbub import hookimpl


class Counter:
    """Knows an event that comes again by its id."""

    name = "counter"

    def __init__(self):
        self.seen = set()
        self.counts = {}

    async def on_event(self, event, ctx):
        if event.id not in self.seen:
            self.seen.add(event.id)
            self.counts[event.method] = self.counts.get(event.method, 0) + 1


@hookimpl
def register_subscribers():
    return [Counter()]
