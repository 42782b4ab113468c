"""A rewrite without a text.

Found by: its answers are such as its kind allows.
"""

from hubbub import Verdict, hookimpl


class Bad:
    name = "bad"
    stage = "input"
    examples = ("xyzzy", "Hello")

    async def check(self, text, ctx):
        return Verdict("rewrite", reason="a word") if "xyzzy" in text else Verdict()


@hookimpl
def register_guardrails():
    return [Bad()]
