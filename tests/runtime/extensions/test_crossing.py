"""What crosses to a plugin's own process comes back as it was, and garbage is only ever garbage."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from runtime.errors import InvalidInput, LimitExceeded, MissingSecret, NotFound, Overloaded
from runtime.extensions.crossing import LENGTH, error_of, pack, tagged, told, unpack, untagged
from runtime.extensions.failures import Failed
from runtime.types import (
    ChatRequest,
    Delta,
    Health,
    Hit,
    Hits,
    Item,
    Recommended,
    Reply,
    Score,
    ToolCall,
    Usage,
    Verdict,
)

TEXT = st.text(max_size=5)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def _crossed(value: Any) -> Any:
    return untagged(unpack(pack(tagged(value))[LENGTH.size :]))


@given(PLAIN)
def test_plain_values_are_the_same_on_the_other_side(value: Any) -> None:
    assert _crossed(value) == value


TYPED = [
    Score(0.5, ["big", {"reason": "near"}], {"people": 7}),
    Verdict("rewrite", "xxx", "a name"),
    Health(False, "closed"),
    Delta(text="a", tool_call=ToolCall(1, "id", "look", "{}"), usage=Usage(3, 4), finish="stop"),
    Reply("text", "model", "stop", Usage(1, 2)),
    ChatRequest("m", [{"role": "user", "content": "hi"}], [Hit("1", "t", 1.0)], temperature=0.5),
    [Hit("1", "text", 0.5, {"path": "a.md"}), Hit("2", "more", 0.25)],
    [Item("7", 0.5, ["others like it"])],
]


def test_a_list_of_recommendations_remembers_how_it_was_made() -> None:
    crossed = _crossed(Recommended([Item("7", 0.5)], method="ease", version="3", note="short", group="b"))
    assert [item.id for item in crossed] == ["7"]
    assert (crossed.method, crossed.version, crossed.note, crossed.group) == ("ease", "3", "short", "b")
    with pytest.raises(ValueError):
        untagged(["Recommended", [[], "one word"]])


@pytest.mark.parametrize("value", TYPED, ids=lambda value: type(value).__name__)
def test_what_plugins_give_keeps_its_type(value: Any) -> None:
    crossed = _crossed(value)
    assert msgspec.json.encode(crossed) == msgspec.json.encode(value)  # a tuple comes back as a list
    assert type(crossed) is type(value)


def test_hits_remember_how_they_were_found() -> None:
    counts = {"kind": [{"value": "bird", "count": 3}]}
    hits = Hits(
        [Hit("1", "text", 0.5)],
        mode="keyword",
        degraded=True,
        facets=counts,
        did_you_mean="owls",
        note="No model.",
    )
    crossed = _crossed(hits)
    assert (type(crossed), crossed.mode, crossed.degraded, len(crossed)) == (Hits, "keyword", True, 1)
    assert (crossed.facets, crossed.did_you_mean, crossed.note) == (counts, "owls", "No model.")


@pytest.mark.parametrize("kind", ["float32", "int64", "<U5", "bool"])
def test_arrays_keep_their_kind_and_shape(kind: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(kind)
    crossed = _crossed({"x": array})["x"]
    assert crossed.dtype == array.dtype
    assert crossed.tolist() == array.tolist()


class Params(BaseModel):
    """Any model."""

    top: int = 1


@pytest.mark.parametrize("value", [object(), {1, 2} and print, np.array([object()])])
def test_what_could_be_code_cannot_cross(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot leave its process"):
        pack(tagged(value))


def test_a_model_crosses_as_its_values() -> None:
    assert _crossed(Params(top=3)) == {"top": 3}


@given(PLAIN)
def test_garbage_is_a_value_error_or_a_plain_value(found: Any) -> None:
    try:
        untagged(found)
    except ValueError:
        return
    assert isinstance(found, list)


@pytest.mark.parametrize("tag", ["Score", "*Hit", "Hits", "Delta", "Settings", "*", "os.system"])
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, {"value": "high"}, [[1], 2, 3]])
def test_what_is_not_what_its_tag_says_is_refused_or_of_that_type(tag: str, value: Any) -> None:
    try:
        found = untagged([tag, value])
    except ValueError:
        return
    assert type(found).__name__ in (tag, "list")


ERRORS = [
    NotFound("There is none; look."),
    InvalidInput("It is wrong; mend it."),
    Overloaded("Too much; wait.", retry_after=7.0),
    LimitExceeded("Too many; stop.", limit="max_steps"),
    MissingSecret("KEY", needed_by="[plugins.fit] key"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_of_ours_are_the_same_on_the_other_side(error: Any) -> None:
    found = error_of(unpack(pack(told(error))[LENGTH.size :]), "fit")
    assert type(found) is type(error)
    assert str(found) == str(error)
    for name in ("retry_after", "limit", "name", "needed_by"):
        assert getattr(found, name, None) == getattr(error, name, None)


def test_an_error_that_nobody_knows_is_the_plugins_failure() -> None:
    found = error_of({"kind": "SystemExit", "message": "no"}, "fit")
    assert isinstance(found, Failed)
    assert found.plugin == "fit"
