"""Queries for the keyword index."""

import sqlite3

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.search.keyword import MAX_TERMS, match_expression


@pytest.fixture(scope="module")
def index() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(title, text, tokenize='porter unicode61')")
    connection.execute("INSERT INTO t VALUES ('Runs', 'Nothing NEAR a lost event is ever recovered')")
    return connection


@settings(max_examples=300)
@given(st.one_of(st.text(), st.text(alphabet="\"*^:(){}-+ANDORNEARTitle \0'\\;,.é🦉")))
@example("🦉" * 10_000)
@example('"unbalanced OR NEAR(a b, 5) title: ^x - * ) (')
@example("word " * 5_000)
@example("ª º ² ⅷ ㍿ ﬁ ͅ ⁀")
def test_no_text_of_a_user_is_an_error(index: sqlite3.Connection, text: str) -> None:
    expression = match_expression(text)
    if expression:
        index.execute("SELECT rowid FROM t WHERE t MATCH ?", (expression,)).fetchall()


@pytest.mark.parametrize(
    "query", ["losing events?", "RECOVERING", "near", "what is an event", 'title:"runs"']
)
def test_a_query_finds_stems_of_any_of_its_words(index: sqlite3.Connection, query: str) -> None:
    assert index.execute("SELECT rowid FROM t WHERE t MATCH ?", (match_expression(query),)).fetchall()


def test_words_without_meaning_count_only_when_there_are_no_others() -> None:
    assert match_expression("what is a thread") == '"thread"'
    assert match_expression("what is it") == '"what" OR "is" OR "it"'
    assert match_expression(" ?! ") == ""


def test_a_very_long_query_is_bounded() -> None:
    assert match_expression(" ".join(f"w{number}" for number in range(5_000))).count(" OR ") == MAX_TERMS - 1
