"""A provider for benchmarks: so many tokens at once, at no cost of its own."""

from collections.abc import AsyncIterator

from hubbub import ChatRequest, Context, Delta, Usage, hookimpl


class Metronome:
    """`metronome:N` answers with N tokens, `metronome:NxSIZE` with N of so many characters."""

    name = "metronome"

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the tokens one by one."""
        count, size = (int(part) for part in f"{request.model}x1".split("x")[:2])
        for number in range(count):
            yield Delta(text=f"word{number}".ljust(size - 1, ".") + " ")
        yield Delta(usage=Usage(output_tokens=count), finish="stop")


@hookimpl
def register_providers() -> list[Metronome]:
    """Supply the provider."""
    return [Metronome()]
