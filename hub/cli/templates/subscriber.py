"""A subscriber: sees every durable event, at least once."""

from __future__ import annotations

from hubbub import Context, Event, hookimpl


class Sample:
    """Logs how each run ended."""

    name = "sample"

    async def on_event(self, event: Event, ctx: Context) -> None:
        """Handle one event; it may come again after a crash, with the same `event.id`."""
        if event.method == "lifecycle":
            ctx.log.info("run changed", status=event.data.get("event"), id=event.id)


@hookimpl
def register_subscribers() -> list[Sample]:
    """Supply the subscriber `sample`."""
    return [Sample()]
