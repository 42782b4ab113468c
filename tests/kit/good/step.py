"""Counts words."""

from pydantic import BaseModel

from hubbub import hookimpl


class Count:
    """Says how many words a text has."""

    name = "count"
    examples = ({"text": "one two"}, {"text": ""})

    class Params(BaseModel):
        text: str

    async def run(self, state, params, ctx):
        return {"words": len(params.text.split())}


@hookimpl
def register_steps():
    return [Count()]
