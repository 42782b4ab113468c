"""tool.notify: tells people something, through a webhook as Slack, Mattermost and Discord have them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, JsonObject, NotFound, PluginError, hookimpl

_WRONG = 300
_TIMEOUT = 15.0


class Settings(BaseModel):
    """`[plugins.notify]`: the addresses of channels; they are secrets, since who has one may write there."""

    channels: dict[str, str] = Field(
        default_factory=dict, description='addresses by name, such as sales = "secret:SLACK_SALES"'
    )


class Note(BaseModel):
    """What is said, and where."""

    text: str = Field(min_length=1, max_length=40_000, description="what is said; Slack's mrkdwn works there")
    channel: str = Field(default="default", description="a name of [plugins.notify] channels")
    more: dict[str, Any] = Field(default_factory=dict, description="further fields, such as Slack's blocks")


class Notify:
    """Sends `{"text": …}`; graphs name channels and never see their addresses."""

    name = "notify"
    description = "Sends a message to a channel that people read."
    Args = Note

    def __init__(self, settings: Settings) -> None:
        self._channels = settings.channels

    async def run(self, args: Note, ctx: Context) -> JsonObject:
        """Return `{channel, sent}`; a message that is not taken is a failure, which `retry` may mend."""
        import aiohttp

        url = self._channels.get(args.channel)
        if url is None:
            known = ", ".join(sorted(self._channels)) or "none"
            asked = f"there is no channel {args.channel[:80]} (known: {known})"
            raise NotFound(f"{asked}; add it to [plugins.notify] channels")
        try:
            async with ctx.http().post(
                url,
                json={**args.more, "content" if _discord(url) else "text": args.text},
                headers={"Idempotency-Key": ctx.idempotency_key},
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError) as error:
            words = f"the channel {args.channel} cannot be reached ({type(error).__name__})"
            raise PluginError(f"{words}; try again, or mend its address") from None
        if status >= _WRONG:  # also a redirect, which is not followed
            raise PluginError(
                f"the channel {args.channel} answered {status}; mend its address or the message"
            )
        return {"channel": args.channel, "sent": True}


def _discord(url: str) -> bool:
    """Whether the address is Discord's, which calls the text `content`."""
    return "discord" in url.partition("://")[2].partition("/")[0]


@hookimpl
def register_tools(settings: Settings) -> list[Notify]:
    """Supply `tool.notify`."""
    return [Notify(settings)]
