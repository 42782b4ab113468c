"""A failure that is told as a result.

Found by: its answers are such as its kind allows.
"""

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"
    description = "Divides."
    examples = ({"a": 1, "b": 0},)

    class Args(BaseModel):
        a: int
        b: int

    async def run(self, args, ctx):
        try:
            return {"result": args.a / args.b}
        except ZeroDivisionError as error:
            return {"error": str(error)}


@hookimpl
def register_tools():
    return [Bad()]
