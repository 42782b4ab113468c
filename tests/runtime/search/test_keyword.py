"""Queries for the keyword index."""

import sqlite3

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.search.keyword import MAX_TERMS, WEIGHTS, match_expression, thrifty_expression


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


def test_ranking_only_passages_with_rare_words_keeps_their_scores_and_order() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(title, text, tokenize='porter unicode61')")
    texts = [
        f"owls {'hunt ' * (at % 3)} {'at dusk' * (at % 7 == 0)} {'lanterns' * (at % 11 == 0)}"
        for at in range(99)
    ]
    connection.executemany("INSERT INTO t VALUES ('', ?)", [(text,) for text in texts])

    def ranked(expression: str) -> dict[int, float]:
        rows = connection.execute(
            f"SELECT rowid, bm25(t, {WEIGHTS}) AS score FROM t WHERE t MATCH ? ORDER BY score, rowid",
            (expression,),
        )
        return dict(rows.fetchall())

    counts = {"owls": 99, "hunt": 66, "lanterns": 9, "dusk": 15, "comets": 0}
    whole = ranked(match_expression("owls hunt lanterns dusk comets"))
    thrifty = ranked(thrifty_expression(counts, 10, 10, 99))
    assert len(whole) == 99
    assert len(thrifty) == len({at for at in range(99) if at % 7 == 0 or at % 11 == 0})
    assert list(thrifty) == [passage for passage in whole if passage in thrifty]
    assert all(score == pytest.approx(2 * whole[passage]) for passage, score in thrifty.items())


def test_a_query_of_nothing_but_rare_words_ranks_all_that_have_them() -> None:
    assert thrifty_expression({"owls": 3, "larks": 4, "none": 0}, 100, 100, 1000) == (
        '("none" OR "owls" OR "larks") AND ("none" OR "owls" OR "larks")'
    )


def test_a_word_in_too_many_passages_has_no_say_unless_it_is_among_the_rare_ones() -> None:
    counts = {"owls": 90, "hunt": 40, "lanterns": 9}
    assert thrifty_expression(counts, 9, 9, 50) == '("lanterns") AND ("lanterns" OR "hunt" OR "hunt")'
    assert thrifty_expression({"owls": 90}, 9, 9, 50) == '("owls") AND ("owls")'


def test_words_are_rare_up_to_many_passages_and_beyond_while_there_are_not_enough() -> None:
    counts = {"owls": 90, "hunt": 40, "lanterns": 9, "dusk": 2}
    assert thrifty_expression(counts, 10, 50, 100).startswith('("dusk" OR "lanterns") AND')
    assert thrifty_expression(counts, 10, 51, 100).startswith('("dusk" OR "lanterns" OR "hunt") AND')
    assert thrifty_expression(counts, 12, 12, 100).startswith('("dusk" OR "lanterns" OR "hunt") AND')
