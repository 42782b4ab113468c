"""Adds two numbers."""

from pydantic import BaseModel

from hubbub import InvalidInput, hookimpl


class Add:
    """A tool with a result, and with a failure."""

    name = "add"
    description = "Adds two whole numbers."
    examples = ({"a": 1, "b": 2}, {"a": 5})

    class Args(BaseModel):
        a: int
        b: int = 0

    async def run(self, args, ctx):
        if args.a > 1000:
            raise InvalidInput("a is too large; give at most 1000")
        return {"sum": args.a + args.b}


@hookimpl
def register_tools():
    return [Add()]
