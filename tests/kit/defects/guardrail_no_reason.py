"""It blocks and does not say why.

Found by: its answers are such as its kind allows.
"""

from hubbub import Verdict, hookimpl


class Bad:
    name = "bad"
    stage = "input"
    examples = ("xyzzy", "Hello")

    async def check(self, text, ctx):
        return Verdict("block" if "xyzzy" in text else "allow")


@hookimpl
def register_guardrails():
    return [Bad()]
