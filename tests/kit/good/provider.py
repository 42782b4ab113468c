"""An echo in words, with its finish and what it used."""

import asyncio

from hubbub import Delta, InvalidInput, Usage, hookimpl


class Echo:
    """Says again what was said last."""

    name = "echo"

    async def stream(self, request, ctx):
        content = request.messages[-1]["content"]
        if not isinstance(content, str):
            content = " ".join(block["text"] for block in content if block["type"] == "text")
        if request.response_format:
            raise InvalidInput("echo has no structured answers; leave response_format out")
        words = content.split()
        for word in words:
            await asyncio.sleep(0)
            yield Delta(text=word + " ")
        yield Delta(usage=Usage(len(words), len(words)))
        yield Delta(finish="stop")

    def models(self):
        return ["loud", "quiet"]


@hookimpl
def register_providers():
    return [Echo()]
