"""Texts are Liquid with known names, a fixed list of filters, and bounded work."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidInput
from runtime.graphs.templates import MAX_OUTPUT, TemplateMistake, compile_text

VALUES: dict[str, Any] = {
    "score": 0.815,
    "empty": None,
    "lead": {"country": "US", "tags": ["a", "b"]},
    "hits": [{"text": "one", "source": {"title": "T"}}, {"text": "two"}],
    "themes": ["b", "a", "b"],
    "long": "a" * 100_000,
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("{{ score }}", 0.815),
        (" {{ lead.tags }} ", ["a", "b"]),
        ("{{ lead.tags[1] }}", "b"),
        ("{{ lead.nothing.at.all }}", None),
        ("at {{ lead.nothing.at.all }}.", "at ."),
        ("{{ score | percent }}", "82%"),
        ("{{ hits | numbered }}", "[1] T\none\n\n[2] two"),
        ("{{ empty | heading: 'X' }}", ""),
        ("{{ lead.country | heading: 'From' }}", "From:\nUS"),
        ("{{ themes | count | table }}", "| value | count |\n| --- | --- |\n| b | 2 |\n| a | 1 |"),
        ("{% for tag in lead.tags %}{{ tag }};{% endfor %}", "a;b;"),
        ("{{ themes | join: ', ' }}", "b, a, b"),
        ("{{ '<b>' }}", "<b>"),
    ],
)
def test_a_text_is_filled_in(text: str, result: Any) -> None:
    assert compile_text(text).of(VALUES) == result


def test_json_is_json() -> None:
    assert json.loads(compile_text("v={{ lead | json }}").of(VALUES)[2:]) == VALUES["lead"]


def test_names_are_found_with_their_places() -> None:
    names = compile_text("{{ a.b }} {% if c %}{% for x in d %}{{ x.y }}{% endfor %}{% endif %}").names
    assert {(name.path[0], name.at) for name in names} == {("a", 3), ("c", 16), ("d", 32)}


@pytest.mark.parametrize(
    "text",
    [
        "{{ a",
        "{% for %}",
        "{{ a | nothing }}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{{ (1..1000000000) | reverse }}",
        "{% assign x = (1..9) %}",
    ],
)
def test_what_is_no_template_is_refused_with_a_place(text: str) -> None:
    with pytest.raises(TemplateMistake) as caught:
        compile_text(text)
    assert 0 <= caught.value.at <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for a in (1..5000) %}{% for b in (1..5000) %}x{% endfor %}{% endfor %}",
        "{% assign x = 'aaaa' %}{% for i in (1..40) %}{% assign x = x | append: x %}{% endfor %}{{ x }}",
        "{{ long | replace: 'a', long }}!",
        "{% for i in (1..100) %}{{ long }}{% endfor %}",
    ],
)
def test_work_without_end_is_cut_off_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="shorter or simpler"):
        compile_text(text).of(VALUES)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}%|. :'\"()[]abscore0123forinendif ", max_size=80))
def test_any_text_is_a_template_or_a_mistake(text: str) -> None:
    try:
        made = compile_text(text)
    except TemplateMistake:
        return
    try:
        result = made.of(VALUES)
    except InvalidInput:
        return
    assert not isinstance(result, str) or len(result) <= MAX_OUTPUT
