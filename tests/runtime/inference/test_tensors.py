"""Whatever a client sends is an array of the model's type and shape, or one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidInput
from runtime.inference.description import DATATYPES, Tensor
from runtime.inference.tensors import TYPES, datatype_of, from_json, taken, to_json

MATRIX = Tensor("x", "FP32", (-1, 2))
COLUMN = Tensor("n", "INT64", (-1,))


def test_lists_of_json_become_what_the_model_takes() -> None:
    found = taken({"x": [[1, 2.5], [3, 4]], "n": [7, 8]}, [MATRIX, COLUMN])
    assert (found["x"].dtype.name, found["x"].tolist()) == ("float32", [[1.0, 2.5], [3.0, 4.0]])
    assert (found["n"].dtype.name, found["n"].tolist()) == ("int64", [7, 8])
    assert taken({"t": ["a", "é"]}, [Tensor("t", "BYTES", (-1,))])["t"].tolist() == ["a", "é"]
    assert taken({"b": [[True], [False]]}, [Tensor("b", "BOOL", (2, 1))])["b"].tolist() == [[True], [False]]


def test_null_is_a_missing_value_where_the_model_takes_them() -> None:
    found = taken({"x": [[1, None]]}, [Tensor("x", "FP64", (-1, 2), missing=True)])
    assert np.isnan(found["x"][0, 1])


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({}, r"The input x \(FP32 \[-1, 2\]\) is missing; send it\."),
        ({"y": [[1, 2]]}, r"There is no input y; (did you mean x\?|its inputs are x\.)"),
        ({"x": [1, 2]}, r"was sent with the shape \[2\]; send one that fits \(-1 is any size\)\."),
        ({"x": [[1, 2, 3]]}, r"shape \[1, 3\]"),
        ({"x": [[1, 2], [3]]}, "is ragged; make all its rows equally long"),
        ({"x": [[1, [2]], [3, 4]]}, "is ragged"),
        ({"x": [["a", "b"]]}, "holds text, and is FP32; send that type"),
        ({"x": [[True, False]]}, "holds truth values, and is FP32"),
        ({"x": [[1, None]]}, "holds NaN or null, which the model does not take; send numbers"),
        ({"x": [[1e300, 0]]}, "too large for FP32"),
        ({"x": [[10**400, 0]]}, "too large|no FP32"),
        ({"x": [[{"a": 1}, 2]]}, "holds what is no FP32"),
        ({"x": 3}, "is no list; send its values in a list"),
        ({"x": np.array([[np.inf, 0]], dtype=np.float32)}, "holds Infinity; send finite numbers"),
        ({"x": np.array([[np.nan, 0]], dtype=np.float32)}, "holds NaN or null"),
        ({"x": np.array([[1, 2]], dtype=np.int32)}, r"was sent as INT32; send FP32\."),
    ],
)
def test_what_does_not_fit_is_one_sentence(inputs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence) as raised:
        taken(inputs, [MATRIX])
    assert "\n" not in raised.value.message


def test_whole_numbers_lose_nothing_on_their_way() -> None:
    byte = Tensor("n", "UINT8", (-1,))
    assert taken({"n": [0, 255]}, [byte])["n"].tolist() == [0, 255]
    for wrong, sentence in (
        ([256], "0..255"),
        ([-1], "0..255"),
        ([1.5], "decimal numbers"),
        ([2**70], "too large"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            taken({"n": wrong}, [byte])
    assert taken({"n": [2**53 + 1]}, [COLUMN])["n"].tolist() == [2**53 + 1]


def test_inputs_have_the_same_number_of_rows() -> None:
    with pytest.raises(InvalidInput, match=r"different numbers of rows \(1 of x, 2 of n\)"):
        taken({"x": [[1, 2]], "n": [1, 2]}, [MATRIX, COLUMN])


def test_an_output_that_json_cannot_carry_is_said() -> None:
    assert to_json("y", np.array([[1.5, 2.0]])) == [1.5, 2.0]
    with pytest.raises(InvalidInput, match="The output y holds NaN or Infinity"):
        to_json("y", np.array([np.nan]))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_type_of_the_protocol_has_an_array(datatype: Any) -> None:
    made = ["a"] if datatype == "BYTES" else [1 if datatype != "BOOL" else True]
    found = from_json("it", made, datatype)
    assert found.dtype == TYPES[datatype]
    assert datatype_of(found) == datatype
    assert from_json("it", to_json("it", found), datatype).tolist() == found.tolist()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@settings(deadline=None)
@given(data=JSON, datatype=st.sampled_from(DATATYPES))
def test_whatever_is_sent_is_taken_or_refused_in_a_sentence(data: Any, datatype: Any) -> None:
    try:
        found = taken({"x": data}, [Tensor("x", datatype, (-1, -1))])["x"]
    except InvalidInput as error:
        said = error.message
    else:
        said = "."
        assert found.dtype == TYPES[datatype]
        assert found.ndim == 2
        assert from_json("it", data, datatype).shape == found.shape
    assert said.endswith((".", "?"))
