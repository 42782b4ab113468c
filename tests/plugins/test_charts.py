"""step.charts draws what it is given: valid pictures, the same each time, with hostile names as text."""

from __future__ import annotations

import base64
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hubbub.testing import FakeContext, StepTests
from plugins.charts import Charts, Drawn

DAYS = [f"2025-03-{day:02}" for day in range(1, 15)]


class TestCharts(StepTests):
    def make(self) -> Charts:
        return Charts()


def number(**more: Any) -> Any:
    series = [{"day": day, "value": 3.0 * place, "n": 1} for place, day in enumerate(DAYS)]
    about = {"name": "calls", "about": "calls of models", "unit": "calls", "kind": "count", "graph": ""}
    days = {"first": DAYS[0], "last": DAYS[-1], "by": [], "rows": []}
    return {**about, **days, "series": series, **more}


def draw(*numbers: Any, anomalies: Any = ()) -> Any:
    return Charts().run({}, Drawn(numbers=list(numbers), anomalies=list(anomalies)), FakeContext())


def _svg(picture: Any) -> ElementTree.Element:
    root = ElementTree.fromstring(picture["svg"])
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return root


def _png(picture: Any) -> tuple[int, int]:
    """Return the size of a PNG whose chunks are whole and whose pixels can be unpacked."""
    data = base64.b64decode(picture["png"], validate=True)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, pixels, kinds = 8, b"", []
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        assert struct.unpack_from(">I", data, place + 8 + size)[0] == zlib.crc32(kind + body)
        kinds.append(kind)
        pixels += body if kind == b"IDAT" else b""
        place += 12 + size
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")
    assert zlib.decompress(pixels)
    wide, high = struct.unpack_from(">II", data, 16)
    return wide, high


def test_days_are_a_line_and_those_that_stand_out_are_marked_and_told() -> None:
    marked = {"name": "calls", "graph": "", "day": DAYS[4], "observed": 12.0, "sentence": "It stands out."}
    (picture,) = draw(number(), anomalies=[marked])
    assert picture["title"] == "Calls of models, day by day"
    assert picture["text"] == "2025-03-01 to 2025-03-14: between 0 calls and 39 calls. It stands out."
    assert "#c0392b" in picture["svg"]
    assert "#c0392b" not in draw(number())[0]["svg"]
    assert _svg(picture) is not None
    assert _png(picture) == (720, 300)


def test_parts_are_bars_the_largest_first() -> None:
    rows = [{"graph": "ask", "value": 2.0, "n": 2}, {"graph": "", "value": 5.0, "n": 5}]
    (picture,) = draw(number(by=["graph"], rows=rows))
    assert picture["title"] == "Calls of models, by graph"
    assert picture["text"] == "(none) 5 calls, ask 2 calls."
    assert _png(picture)[0] == 720
    assert _svg(picture) is not None


def test_the_same_figures_are_the_same_bytes() -> None:
    assert draw(number()) == draw(number())


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "$x^2$", r"$\frac{", "🦉", "a" * 200, "&amp;", ""]
)
def test_a_name_is_text_and_nothing_else(name: str) -> None:
    rows = [{"graph": name, "value": 2.0, "n": 2}]
    (picture,) = draw(number(by=["graph"], rows=rows))
    assert [each for each in _svg(picture).iter() if each.tag.endswith("script")] == []
    assert _png(picture)[0] == 720


def test_shares_days_without_a_mean_and_one_day_can_be_drawn() -> None:
    share = number(kind="share", unit="share", series=[{"day": DAYS[0], "value": 0.5, "n": 2}])
    (picture,) = draw(share)
    assert picture["text"].endswith("between 50.0 % and 50.0 %.")
    assert draw(number(last=DAYS[0])) == []
    assert draw(number(series=[])) == []


def test_a_day_that_has_only_begun_is_no_dip() -> None:
    today = datetime.now(UTC).date()
    days = [(today - timedelta(back)).isoformat() for back in range(9, 0, -1)]
    series = [{"day": day, "value": 5.0, "n": 5} for day in days]
    (picture,) = draw(number(first=days[0], last=today.isoformat(), series=series))
    assert picture["text"] == f"{days[0]} to {days[-1]}: between 5 calls and 5 calls."


def test_there_are_six_pictures_at_most() -> None:
    assert len(draw(*[number() for _ in range(9)])) == 6


def test_what_the_font_lacks_is_spelled_and_draws_no_box(recwarn: pytest.WarningsRecorder) -> None:
    names = {
        "🦉 day": "(owl) day",
        "中": "?",
        "e\N{COMBINING ACUTE ACCENT}": "e\N{COMBINING ACUTE ACCENT}",
    }
    for name, drawn in names.items():
        (picture,) = draw(number(by=["graph"], rows=[{"graph": name, "value": 2.0, "n": 2}]))
        assert drawn in [each.text for each in _svg(picture).iter() if each.tag.endswith("}text")]
        assert picture["text"] == f"{name} 2 calls."
    assert [str(each.message) for each in recwarn if "Glyph" in str(each.message)] == []


def test_a_picture_has_a_title_and_a_description_for_those_who_cannot_see_it() -> None:
    rows = [{"graph": "<b> & co", "value": 2.0, "n": 2}]
    svg = _svg(draw(number(by=["graph"], rows=rows))[0])
    assert svg.get("role") == "img"
    said = {each.tag.rpartition("}")[2]: each.text for each in svg[:2]}
    assert said == {"title": "Calls of models, by graph", "desc": "<b> & co 2 calls."}


def test_of_a_thousand_parts_the_largest_are_drawn_and_that_is_said() -> None:
    rows = [{"graph": f"g{place}", "value": 1000.0 - place, "n": 1} for place in range(1000)]
    (picture,) = draw(number(by=["graph"], rows=rows))
    assert picture["title"] == "Calls of models, by graph: the largest 12 of 1,000"
    assert picture["text"].count(",") == 11 + 1


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_not_drawn(value: float | None) -> None:
    rows = [{"graph": "a", "value": value, "n": 1}]
    series = [{"day": DAYS[0], "value": value, "n": 1}]
    assert draw(number(by=["graph"], rows=rows), number(series=series)) == []


@pytest.mark.parametrize("value", [0.0, -5.0])
def test_a_figure_of_nothing_or_below_nothing_can_be_drawn(value: float) -> None:
    series = [{"day": day, "value": value, "n": 1} for day in DAYS]
    rows = [{"graph": "a", "value": value, "n": 1}]
    lines, bars = draw(number(series=series), number(by=["graph"], rows=rows))
    assert _png(lines) == (720, 300)
    assert _png(bars)[0] == 720


def test_a_long_title_is_two_lines_at_most() -> None:
    (picture,) = draw(number(about="calls of models " * 40))
    lines = [each.text or "" for each in _svg(picture).iter() if each.tag.endswith("}text")]
    assert max(map(len, lines)) <= 90
    assert any(line.endswith(" …") for line in lines)
