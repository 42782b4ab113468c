"""Two calls at once share their arguments.

Found by: calls at once do not mix.
"""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"
    description = "Repeats."
    examples = ({"text": "one"}, {"text": "two"})

    class Args(BaseModel):
        text: str

    async def run(self, args, ctx):
        self.args = args
        await asyncio.sleep(0.01)
        return {"text": self.args.text}


@hookimpl
def register_tools():
    return [Bad()]
