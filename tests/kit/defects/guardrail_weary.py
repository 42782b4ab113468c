"""A pattern that tries for ever.

Found by: a long text is checked in time.
"""

import re

from hubbub import Verdict, hookimpl


class Bad:
    name = "bad"
    stage = "input"

    def check(self, text, ctx):
        return Verdict("block", reason="only letters") if re.fullmatch(r"([a-z]+)*", text) else Verdict()


@hookimpl
def register_guardrails():
    return [Bad()]
