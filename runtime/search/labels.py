"""Labelled queries: what was asked, and which documents somebody judged to answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from runtime.errors import InvalidInput, NotFound

MAX_LABELS = 1_000_000
MAX_GRADE = 1_000

Judgements = Mapping[str, Mapping[str, int]]
"""Grades by query and document; 0 is "does not answer"."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Texts of the judged queries, their grades, and sentences about what was left out."""

    queries: Mapping[str, str]
    judged: Judgements
    warnings: tuple[str, ...] = ()


def read_labels(queries: Path, qrels: Path) -> Labels:
    """Read QUERIES.jsonl and QRELS.tsv; InvalidInput names the line of the first mistake."""
    texts = _read_queries(queries)
    judged = _read_judgements(qrels)
    unknown = [query for query in judged if query not in texts]
    useful = {
        query: grades for query, grades in judged.items() if query in texts and max(grades.values()) > 0
    }
    if not useful:
        raise InvalidInput(
            f"No query of {queries} has a relevant document in {qrels}; compare the ids of the two files."
        )
    warnings = []
    if unknown:
        warnings.append(
            f"{len(unknown)} judged queries, such as {unknown[0]}, are not in {queries} and were left out."
        )
    if idle := len(judged) - len(unknown) - len(useful):
        warnings.append(f"{idle} queries have no relevant document and were left out.")
    return Labels({query: texts[query] for query in useful}, useful, tuple(warnings))


def _read_queries(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in _lines(path):
        try:
            row = orjson.loads(line)
        except ValueError as error:
            raise InvalidInput(f"{path}:{number} is not JSON ({error}); write one object a line.") from None
        id = row.get("_id", row.get("id")) if isinstance(row, dict) else None
        text = row.get("text") if isinstance(row, dict) else None
        if not isinstance(id, str | int) or not isinstance(text, str) or not text.strip():
            raise InvalidInput(
                f"{path}:{number} is no query; write an object with `id` (or `_id`) and `text` on each line."
            )
        if str(id) in texts:
            raise InvalidInput(f"{path}:{number} has the id {id} of an earlier query; give each its own.")
        texts[str(id)] = text
    return texts


def _read_judgements(path: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for place, (number, line) in enumerate(_lines(path)):
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if len(cells) == 4:  # TREC has a column that nobody uses
            del cells[1]
        grade = _grade(cells[2]) if len(cells) == 3 and all(cells) else None
        if grade is None:
            if place == 0 and len(cells) == 3 and not _is_number(cells[2]):
                continue  # the names of the columns
            raise InvalidInput(
                f"{path}:{number} is no judgement; write query id, document id and a whole number "
                f"up to {MAX_GRADE} as grade, with tabs between."
            )
        query, document, _ = cells
        if judged.setdefault(query, {}).setdefault(document, grade) != grade:
            raise InvalidInput(
                f"{path}:{number} judges document {document} for query {query} a second time and "
                "differently; keep one of the two."
            )
    return judged


def _grade(cell: str) -> int | None:
    """Return a whole number, also where a spreadsheet wrote 1.0; TREC writes -1 for spam."""
    if not _is_number(cell) or not (grade := float(cell)).is_integer() or grade > MAX_GRADE:
        return None
    return max(0, int(grade))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}; name one that exists.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8 text; save it as that.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); name a file that can.") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise InvalidInput(f"{path} is empty; name a file with a query or a judgement on each line.")
    if len(lines) > MAX_LABELS:
        raise InvalidInput(f"{path} has {len(lines)} lines; measure with at most {MAX_LABELS}.")
    yield from lines
