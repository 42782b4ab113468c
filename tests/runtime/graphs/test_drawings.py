"""A graph is drawn as text, Mermaid, Markdown and SVG: every step, and every way with its condition."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from runtime.graphs.draw import as_markdown, as_mermaid, as_text
from runtime.graphs.file import GraphFile
from runtime.graphs.library import GraphLibrary
from runtime.graphs.svg import as_svg
from runtime.graphs.text_version import GraphVersion

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def file(library: Callable[..., GraphLibrary], good: str) -> GraphFile:
    """The good graph, with a condition that HTML would read as a tag."""
    version = library(good=good.replace("score > hot", "score > hot || answer == '<b>|</b>'")).get("good")
    assert isinstance(version, GraphVersion)
    return version.spec


def test_the_picture_is_xml_with_every_step_and_every_label(file: GraphFile) -> None:
    picture = ET.fromstring(as_svg(file))
    texts = ["".join(text.itertext()) for text in picture.iter(f"{SVG}text")]
    for step in ("start", "ask", "decide", "mark", "end"):
        assert step in texts
    assert any("else" in text for text in texts)
    (title,) = [t.text for t in picture.iter(f"{SVG}title") if t.text and t.text.startswith("if score")]
    assert title == "if score > hot || answer == '<b>|</b>'"
    assert len(list(picture.iter(f"{SVG}path"))) - 1 == 5  # the first path is the tip of the arrows


def test_no_box_of_the_picture_lies_on_another(file: GraphFile) -> None:
    boxes = [
        tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        for box in ET.fromstring(as_svg(file)).iter(f"{SVG}rect")
        if "box" in box.attrib["class"]
    ]
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, *_ in boxes[number + 1 :]:
            assert abs(x - other_x) >= width or abs(y - other_y) >= height


def test_the_page_has_a_table_of_the_steps_and_a_flowchart(file: GraphFile) -> None:
    page = as_markdown(file)
    assert page.startswith("# good\n\nAsks, decides, answers\n")
    assert "- takes: `question` (text), `lead` (object)" in page
    assert "- settings: `hot` = 0.8" in page
    assert r"if score > hot \|\| answer == '<b>\|</b>' → mark<br>else → end" in page
    assert page.endswith("```mermaid\n" + as_mermaid(file) + "\n```")


def test_every_drawing_names_every_step(file: GraphFile) -> None:
    for draw in (as_text, as_mermaid, as_markdown, as_svg):
        assert all(step in draw(file) for step in file.nodes)
