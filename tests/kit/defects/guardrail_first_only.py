"""Only the first number is taken out.

Found by: what it rewrote passes.
"""

import re

from hubbub import Verdict, hookimpl


class Bad:
    name = "bad"
    stage = "input"
    examples = ("4111111111111111 and 5500000000000004", "Hello")

    async def check(self, text, ctx):
        clean = re.sub(r"\b\d{16}\b", "[card]", text, count=1)
        return Verdict("rewrite", clean, "a number") if clean != text else Verdict()


@hookimpl
def register_guardrails():
    return [Bad()]
