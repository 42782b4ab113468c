"""A bare number.

Found by: its answers are such as its kind allows.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50}, {"employees": 700})

    async def score(self, item, ctx):
        return 0.5


@hookimpl
def register_scorers():
    return [Bad()]
