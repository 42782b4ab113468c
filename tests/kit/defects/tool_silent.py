"""A failure that nobody hears of.

Found by: what must fail raises.
"""

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"
    description = "Divides."
    examples = ({"a": 1, "b": 2},)
    failing = ({"a": 1, "b": 0},)

    class Args(BaseModel):
        a: int
        b: int

    async def run(self, args, ctx):
        try:
            return {"result": args.a / args.b}
        except Exception:
            return None


@hookimpl
def register_tools():
    return [Bad()]
