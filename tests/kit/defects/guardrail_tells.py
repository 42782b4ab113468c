"""Its reason repeats the secret.

Found by: its answers are such as its kind allows.
"""

from hubbub import Verdict, hookimpl


class Bad:
    name = "bad"
    stage = "output"
    examples = ("the code is 1234", "Hello")

    async def check(self, text, ctx):
        return Verdict("block", reason=f"refused: {text}") if "code" in text else Verdict()


@hookimpl
def register_guardrails():
    return [Bad()]
