"""A provider: models of one vendor, which `[models.ALIAS] use = ["sample:MODEL"]` asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pydantic import BaseModel

from hubbub import ChatRequest, Context, Delta, InvalidInput, Usage, hookimpl


class Settings(BaseModel):
    """Values come from [plugins.sample] in config.toml; a key is written there as "secret:NAME"."""

    greeting: str = "You said:"


class Sample:
    """Says again what was said."""

    name = "sample"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the answer in pieces; the last one carries `finish`."""
        if request.tools:
            raise InvalidInput("sample knows no tools; take them out, or ask another model")
        words = f"{self._settings.greeting} {_text(request)}".split()
        for word in words:
            yield Delta(text=f"{word} ")
        yield Delta(usage=Usage(input_tokens=len(words), output_tokens=len(words)), finish="stop")


def _text(request: ChatRequest) -> str:
    """Return the last message's text, which is a str or a list of content blocks."""
    content = request.messages[-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block.get("type") == "text")


@hookimpl
def register_providers(settings: Settings) -> list[Sample]:
    """Supply the provider `sample`."""
    return [Sample(settings)]
