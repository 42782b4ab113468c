"""Labelled queries from files: right ones are read, and the first mistake is named with its line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import HubbubError
from runtime.search.labels import Labels, read_labels

QUERIES = '{"_id": "1", "text": "owls"}\n{"id": 2, "text": "larks"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "queries.jsonl").write_text(QUERIES)
    return tmp_path


def read(folder: Path, qrels: str | bytes) -> Labels:
    data = qrels.encode() if isinstance(qrels, str) else qrels
    (folder / "qrels.tsv").write_bytes(data)
    return read_labels(folder / "queries.jsonl", folder / "qrels.tsv")


@pytest.mark.parametrize(
    "qrels",
    [
        "query-id\tcorpus-id\tscore\n1\ta b.md\t1\n2\tc\t2\n",
        "1\ta b.md\t1\r\n\r\n2\tc\t2\r\n",
        "\ufeff1\t0\ta b.md\t1\n2\t0\tc\t2",
        "1\ta b.md\t1\n2\tc\t2\n2\tc\t2\n1\tz\t-1",
        "\n\nquery-id\tcorpus-id\tscore\n1\ta b.md\t1.0\n2\tc\t2\n",
        "1\ta b.md\t1.0\n2\tc\t2.0\n",
    ],
)
def test_the_usual_forms_are_read(folder: Path, qrels: str) -> None:
    labels = read(folder, qrels)
    assert labels.queries == {"1": "owls", "2": "larks"}
    assert labels.judged["1"]["a b.md"] == 1
    assert labels.judged["2"] == {"c": 2}
    assert labels.warnings == ()


def test_columns_may_be_parted_by_spaces(folder: Path) -> None:
    assert read(folder, "1 Q0 a 1\n2 Q0 c 1\n").judged == {"1": {"a": 1}, "2": {"c": 1}}


def test_what_is_left_out_is_said(folder: Path) -> None:
    labels = read(folder, "1\ta\t1\n2\tc\t0\n9\tc\t1\n")
    assert list(labels.queries) == ["1"]
    assert [warning.partition(" ")[0] for warning in labels.warnings] == ["1", "1"]
    assert "such as 9" in labels.warnings[0]


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ("1\ta\t1\n2\tc\n", "qrels.tsv:2 is no judgement"),
        ("1\ta\t1\n2\tc\tgood\n", "qrels.tsv:2 is no judgement"),
        ("1\ta\t0.5\n2\tc\t1\n", "qrels.tsv:1 is no judgement"),
        ("q\td\tgrade\n2\tc\t1\n1\t\t1\n", "qrels.tsv:3 is no judgement"),
        ("1\ta\t" + "9" * 5_000, "a whole number up to 1000"),
        ("1\ta\tinf\n", "qrels.tsv:1 is no judgement"),
        ("1\ta\t1\n1\ta\t2\n", "qrels.tsv:2 judges document a"),
        ("9\ta\t1\n", "compare the ids"),
        ("1\ta\t0\n", "compare the ids"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        (b"1\t\xff\t1\n", "is not UTF-8"),
    ],
)
def test_a_mistake_in_the_judgements_is_a_sentence(folder: Path, qrels: str | bytes, said: str) -> None:
    with pytest.raises(HubbubError, match=said):
        read(folder, qrels)


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ('{"id": "1", "text": "owls"}\n{"id": "1", "text": "larks"}\n', "jsonl:2 has the id 1 of an earlier"),
        ('{"id": "1", "text": "owls"}\nlarks\n', "jsonl:2 is not JSON"),
        ('{"id": "1"}\n', "jsonl:1 is no query"),
        ('{"text": "owls"}\n', "jsonl:1 is no query"),
        ('{"id": "1", "text": " "}\n', "jsonl:1 is no query"),
        ("[1]\n", "jsonl:1 is no query"),
        ("", "is empty"),
    ],
)
def test_a_mistake_in_the_queries_is_a_sentence(folder: Path, queries: str, said: str) -> None:
    (folder / "queries.jsonl").write_text(queries)
    with pytest.raises(HubbubError, match=said):
        read(folder, "1\ta\t1\n")


def test_a_file_that_is_not_there_and_a_folder_are_sentences(folder: Path) -> None:
    with pytest.raises(HubbubError, match="There is no file"):
        read_labels(folder / "queries.jsonl", folder / "none.tsv")
    with pytest.raises(HubbubError, match="cannot be read"):
        read_labels(folder, folder / "none.tsv")


@given(st.text(alphabet='12ab\t\n -0.\r"{}'))
def test_any_text_is_labels_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, qrels: str) -> None:
    folder = tmp_path_factory.mktemp("labels")
    (folder / "queries.jsonl").write_text(QUERIES)
    with suppress(HubbubError):
        labels = read(folder, qrels)
        assert labels.queries
        assert labels.queries.keys() == labels.judged.keys()
