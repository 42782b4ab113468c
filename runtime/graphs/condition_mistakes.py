"""What is wrong with a condition, in plain words: CEL's complaints, and habits from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNKNOWN = re.compile(r"undeclared reference to '(?P<name>[^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '(?P<operator>[^']*)' applied to '\((?P<types>.*)\)'")
_SELECT = re.compile(r"expression of type '(?P<type>[^']*)' cannot be the operand of a select operation")
_UNEXPECTED = re.compile(r"(?:mismatched|extraneous|no viable alternative at) input '(?P<word>[^']*)'")

_SMALL = "write true, false and null in small letters"
_NOT_CEL = "this is not CEL, the language of conditions"
_CAPITALS = re.compile(r"\b(True|False|None|TRUE|FALSE|NULL)\b")
_HABITS = (
    (re.compile(r"\{\{|\}\}|\$\{|\{%"), "write the name alone, as in score > 0.5"),
    (re.compile(r"[‘’‚‛“”„‟«»]"), "write straight quotes: 'text'"),
    (re.compile(r"(?<!&)&(?!&)"), "write && for 'and'"),
    (re.compile(r"(?<!\|)\|(?!\|)"), "write || for 'or'"),
    (re.compile(r"==="), "write == to compare"),
    (re.compile(r"=>"), "write >= for 'at least'"),
    (re.compile(r"=<"), "write <= for 'at most'"),
    (re.compile(r"<>"), "write != for 'not equal'"),
    (re.compile(r"(?<![=!<>])=(?!=)"), "write == to compare"),
    (re.compile(r"\b(?i:and)\b"), "write && for 'and'"),
    (re.compile(r"\b(?i:or)\b"), "write || for 'or'"),
    (re.compile(r"\bnot\s+in\b"), "write !(x in list) for 'not in'"),
    (re.compile(r"\b(?i:not)\b"), "write ! for 'not'"),
    (re.compile(r"\bis\s+not\b"), "write != to compare"),
    (re.compile(r"\b(is|equals|eq)\b"), "write == to compare"),
    (re.compile(r"(?<!\.)\b(contains|like|includes)\b(?!\s*\()"), "write text.contains('x')"),
    (re.compile(r"(?<!\.)\b(?i:startswith|starts with)\b(?!\s*\()"), "write text.startsWith('x')"),
    (_CAPITALS, _SMALL),
    (re.compile(r"^\s*if\b"), "leave the if out: the key is called if already"),
    (re.compile(r";"), "take the semicolon out"),
    (re.compile(r"\d\s*%"), "write 50% as 0.5"),
    (re.compile(r"(?<![\w.])\d+,\d+(?![^(\[]*[)\]])"), "write decimal numbers with a point, as in 1.5"),
)
"""What people write who know other languages, and what to write instead; the first that is there counts."""

_FUNCTIONS = {
    "len": "write size(…)",
    "length": "write size(…)",
    "count": "write size(…)",
    "lower": "compare with in, as in x in ['yes', 'Yes']",
    "upper": "compare with in, as in x in ['yes', 'Yes']",
    "startswith": "write text.startsWith('x')",
    "endswith": "write text.endsWith('x')",
    "any": "write list.exists(x, …)",
    "empty": "write size(…) == 0",
    "includes": "write 'x' in list, or text.contains('x')",
    "isnull": "write !has(state.x)",
}
_MEMBERS = {"length": "write size(…)", "size": "write size(…)", "count": "write size(…)"}
_OPERATORS = {"@in": "in", "_[_]": "[ ]", "_?_:_": "? :"}

TYPES = {
    "STRING": "text",
    "BOOL": "a truth value",
    "INT": "a whole number",
    "UINT": "a whole number",
    "DOUBLE": "a decimal number",
    "LIST": "a list",
    "MAP": "an object",
    "NULL": "nothing",
    "NULL_TYPE": "nothing",
    "DYN": "anything",
}


class ConditionMistake(Exception):
    """What is wrong with a condition: a sentence, the offset of the mistake, a remedy.

    `name` is what nothing is called; `known` are the names that it might have been, if not all.
    """

    def __init__(
        self, message: str, at: int = 0, help: str = "", name: str = "", known: Iterable[str] | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.at, self.help, self.name, self.known = message, at, help, name, known


def explain(at: int, what: str, bare: str) -> ConditionMistake:
    """Put CEL's complaint at an offset into words; `bare` is the text without what stands in quotes."""
    if overload := _OVERLOAD.search(what):
        return _overload(overload["operator"], overload["types"], at)
    if unknown := _UNKNOWN.search(what):
        return _unknown(unknown["name"], at, bare)
    for habit, remedy in _HABITS:
        if found := habit.search(bare):
            return ConditionMistake(_NOT_CEL, found.start(), remedy)
    if select := _SELECT.search(what):
        return _select(select["type"], at, bare)
    if "has() argument" in what:
        found = re.search(r"\bhas\s*\(", bare)
        return ConditionMistake(
            "has() asks for a field of the state", found.start() if found else 0, "write has(state.x)"
        )
    if "input '<EOF>'" in what:
        return ConditionMistake("the condition stops in the middle", at, "write for example score > 0.5")
    if "token recognition error" in what:
        told = "a quote is not closed" if re.search(r"at: '['\"]", what) else "this stands in no condition"
        return ConditionMistake(told, at, "write for example plan == 'pro'")
    if unexpected := _UNEXPECTED.search(what):
        return ConditionMistake(
            f"{unexpected['word']} does not fit here", at, "write for example score > 0.5 && plan == 'pro'"
        )
    told = what.removeprefix("Syntax error: ").partition(" expecting ")[0]
    return ConditionMistake(f"this is not CEL ({told})", at, "write for example score > 0.5")


def _overload(operator: str, types: str, at: int) -> ConditionMistake:
    kinds = [kind.strip() for kind in re.split(r",\s*(?![^(]*\))", types)]
    named = " and ".join(type_in_words(kind) for kind in kinds)
    shown = _OPERATORS.get(operator, operator.replace("_", ""))
    if shown in ("&&", "||", "!"):
        remedy = "write a comparison on each side, as in score > 0.5"
    elif set(kinds) == {"int", "double"}:
        remedy = "write whole numbers with a point too, as in 2.0, or double(x)"
    elif "bool" in kinds and "string" in kinds:
        remedy = "write true and false without quotes"
    elif "string" in kinds and kinds != ["string"]:
        remedy = "compare text with text in quotes, and numbers with numbers without"
    else:
        remedy = "compare things of one kind"
    return ConditionMistake(f"{shown} does not work on {named}", at, remedy)


def _unknown(name: str, at: int, bare: str) -> ConditionMistake:
    if _CAPITALS.fullmatch(name):
        return ConditionMistake(_NOT_CEL, at, _SMALL)
    called = re.match(r"\s*\(", bare[at:]) or re.match(rf"\.?{re.escape(name)}\s*\(", bare[at:])
    if not called:
        return ConditionMistake(f"nothing is called {name}", at, name=name)
    start = bare.rfind(name, 0, at + len(name))
    remedy = _FUNCTIONS.get(name.lower(), "there are size, has, contains, startsWith, endsWith and matches")
    return ConditionMistake(f"there is no function {name}", max(start, 0), remedy)


def _select(kind: str, at: int, bare: str) -> ConditionMistake:
    member = re.match(r"\.(\w+)", bare[at:])
    remedy = _MEMBERS.get(member[1] if member else "", "take the point and what follows it out")
    return ConditionMistake(f"{type_in_words(kind)} has no fields", at, remedy)


def type_in_words(kind: str) -> str:
    """Return CEL's name of a type as analysts know it."""
    return TYPES.get(kind.partition("(")[0].strip().upper(), kind.strip())
