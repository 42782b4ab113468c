"""A tool: something a graph or an agent can do, for `use = "tool.sample"` in a graph."""

from __future__ import annotations

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, JsonObject, hookimpl


class Sample:
    """Divides two numbers."""

    name = "sample"
    description = "Divides one number by another."
    examples = ({"a": 6, "b": 3}, {"a": 5})
    failing = ({"a": 1, "b": 0},)

    class Args(BaseModel):
        """What the tool takes; a model is told these descriptions."""

        a: float = Field(description="The number to be divided.")
        b: float = Field(default=1, description="What it is divided by.")

    async def run(self, args: Args, ctx: Context) -> JsonObject:
        """Do it; what goes wrong is raised, and the sentence says what to do.

        Whoever changes something outside sends `ctx.idempotency_key` along: a step may run again.
        """
        if args.b == 0:
            raise InvalidInput("b is 0; give a number to divide by")
        return {"result": args.a / args.b}


@hookimpl
def register_tools() -> list[Sample]:
    """Supply `tool.sample`."""
    return [Sample()]
