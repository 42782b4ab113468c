"""True where a verdict is meant.

Found by: its answers are such as its kind allows.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"
    stage = "input"

    async def check(self, text, ctx):
        return "xyzzy" not in text


@hookimpl
def register_guardrails():
    return [Bad()]
