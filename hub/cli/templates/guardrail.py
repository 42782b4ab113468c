"""A guardrail: looks at text on its way in or out, where `[guardrails]` or a graph's `guard` names it."""

from __future__ import annotations

import re

from hubbub import Context, Verdict, hookimpl

_TICKET = re.compile(r"\bTICKET-\d{1,9}\b")


class Sample:
    """Takes internal ticket numbers out of a text, and blocks one word."""

    name = "sample"
    stage = "output"
    examples = ("See TICKET-42 and TICKET-7.", "Open sesame", "Good morning.")

    async def check(self, text: str, ctx: Context) -> Verdict:
        """Allow, block or rewrite; the reason is logged, so it quotes nothing of the text."""
        if "sesame" in text.lower():
            return Verdict("block", reason="It names a password.")
        clean = _TICKET.sub("[ticket]", text)
        return Verdict("rewrite", clean, "It names tickets.") if clean != text else Verdict()


@hookimpl
def register_guardrails() -> list[Sample]:
    """Supply the guardrail `sample`."""
    return [Sample()]
