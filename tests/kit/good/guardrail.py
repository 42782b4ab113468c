"""Takes numbers of cards out, and refuses a word."""

import re

from hubbub import Verdict, hookimpl

CARD = re.compile(r"\b\d{16}\b")


class Cards:
    """Rewrites, blocks and allows."""

    name = "cards"
    stage = "input"
    examples = ("My card is 4111111111111111.", "xyzzy", "Hello")

    async def check(self, text, ctx):
        if "xyzzy" in text:
            return Verdict("block", reason="a word of power")
        clean = CARD.sub("[card]", text)
        return Verdict("rewrite", clean, "a card's number") if clean != text else Verdict()


@hookimpl
def register_guardrails():
    return [Cards()]
