"""Texts are Liquid with known names, a fixed list of filters, and bounded work."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidInput
from runtime.graphs.filters import MAX_OUTPUT
from runtime.graphs.templates import TemplateMistake, Text, compile_text

VALUES: dict[str, Any] = {
    "score": 0.815,
    "empty": None,
    "lead": {"country": "US", "tags": ["a", "b"]},
    "hits": [{"text": "one", "source": {"title": "T"}}, {"text": "two"}],
    "themes": ["b", "a", "b"],
    "long": "a" * 100_000,
    "many": list(range(20_000)),
    "open": "<!--" * 50_000,
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
        "{{ a | heading: “A” }}",
        "{% if a %}",
        "{{ a | join ',' }}",
    ],
)
def test_what_is_no_template_is_refused_with_a_place_and_a_remedy(text: str) -> None:
    with pytest.raises(TemplateMistake) as caught:
        compile_text(text)
    assert 0 <= caught.value.at <= len(text)
    assert caught.value.help


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for a in (1..5000) %}{% for b in (1..5000) %}x{% endfor %}{% endfor %}",
        "{% assign x = 'aaaa' %}{% for i in (1..40) %}{% assign x = x | append: x %}{% endfor %}{{ x }}",
        "{{ long | replace: 'a', long }}!",
        "{% for i in (1..100) %}{{ long }}{% endfor %}",
        "{% for i in (1..9999) %}{% if long contains 'b' %}x{% endif %}{% endfor %}",
        "{% for i in (1..9999) %}{% assign x = long | upcase | size %}{% endfor %}",
        "{% for i in (1..9999) %}{% endfor %}" * 500,
        "{% assign x = long | split: '' %}{% for i in (1..99) %}{{ x | sort | size }}{% endfor %}",
        "{{ many | join: long }}!",
        "{{ long | date: '%Y' }}!",
        "{{ '99999999999999999999' | date: '%Y' }}!",
    ],
)
def test_work_without_end_is_cut_off_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="shorter or simpler"):
        compile_text(text).of(VALUES)


def test_what_looks_expensive_and_is_linear_is_done() -> None:
    """The library's own `uniq` compares all with all, its `strip_html` begins anew at each <."""
    assert compile_text("{{ many | uniq | size }}.").of(VALUES) == "20000."
    assert compile_text("{{ open | strip_html | size }}.").of(VALUES) == "200000."
    assert compile_text("{{ '<b>a</b> < c' | strip_html }}.").of(VALUES) == "a < c."
    assert compile_text("{{ hits | uniq: 'text' | size }}.").of(VALUES) == "2."
    assert compile_text("{{ '2026-01-31' | date: '%d.%m.%Y' }}.").of(VALUES) == "31.01.2026."


def test_a_text_of_a_file_has_a_length_that_people_can_read() -> None:
    with pytest.raises(TemplateMistake, match="over 100,000 characters"):
        compile_text("{{ a }}" * 20_000)
    assert compile_text("a" * 200_000).of(VALUES) == "a" * 200_000


def tried(text: str) -> Text | TemplateMistake:
    try:
        return compile_text(text)
    except TemplateMistake as mistake:
        return mistake


PIECES = st.sampled_from(
    [
        *("{{ ", " }}", "{% ", " %}", " | ", ": ", ", ", "'", "-", ".", "[", "]", "(1..", ")", "\n"),
        *("if ", "endif", "for x in ", "endfor", "assign y = ", "capture z", "endcapture", "case ", "when "),
        *("score", "long", "many", "hits", "lead.tags", "open", "x", "y", "0", "99999", "contains ", "=="),
        *(
            "join",
            "split",
            "append",
            "sort",
            "uniq",
            "json",
            "table",
            "date",
            "round",
            "slice",
            "sum",
            "where",
        ),
        *("replace", "truncate", "times", "plus", "divided_by", "count", "numbered", "heading", "strip_html"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(alphabet="{}%|. :'\"()[]abscore0123forinendif ", max_size=80),
        st.lists(PIECES, max_size=25).map("".join),
        st.lists(PIECES, min_size=1, max_size=6).map(lambda parts: "{{ " + " | ".join(parts) + " }}!"),
    )
)
def test_any_text_is_a_template_or_a_mistake(text: str) -> None:
    made = tried(text)
    if isinstance(made, TemplateMistake):
        assert 0 <= made.at <= len(text)
        assert made.help
        return
    try:
        result = made.of(VALUES)
    except InvalidInput:
        return
    assert not isinstance(result, str) or len(result) <= MAX_OUTPUT
