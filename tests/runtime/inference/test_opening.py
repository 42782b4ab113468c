"""A folder is opened as the model that it is, or a sentence says why it is not."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from runtime.errors import InvalidInput
from runtime.inference.opening import open_version
from tests.runtime.inference.making import FEATURES, centred, echo, linear, onnx_model, put, trees, value


def opened(folder: Path, content: bytes, toml: str = "", file: str = "model.onnx") -> Any:
    return open_version(put(folder, "m", 1, content, file=file, toml=toml), 1)


def test_a_model_of_onnx_says_what_it_takes_and_gives(folder: Path) -> None:
    found = opened(folder, linear(2))
    assert [each.row for each in found.inputs] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert [each.row for each in found.outputs] == [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]
    answer = found.predict({"x": np.ones((1, 4), dtype=np.float32)}, found.stop())
    assert answer["y"].tolist() == [[8.0, 8.0]]
    assert found.explain is None


def test_rows_may_be_one_call_only_where_they_do_not_touch_each_other(folder: Path) -> None:
    assert opened(folder / "a", linear()).joins
    assert not opened(folder / "b", centred()).joins
    assert not opened(folder / "c", linear(rows=2)).joins
    assert not opened(folder / "d", linear(), "batches = false").joins
    assert opened(folder / "e", echo(TensorProto.STRING)).joins
    with pytest.raises(InvalidInput, match="batches = true, and not every first axis may have any size"):
        opened(folder / "f", linear(rows=2), "batches = true")


def test_lightgbm_gives_probabilities_and_what_they_are_made_of(folder: Path) -> None:
    found = opened(folder, trees(), file="model.txt")
    assert [each.row for each in found.inputs] == [{"name": "features", "datatype": "FP64", "shape": [-1, 3]}]
    rows = {"features": np.array([[0.5, 0.0, 3.0], [-2.0, np.nan, 1.0]])}
    probability = found.predict(rows, found.stop())["probability"]
    assert probability[0] > 0.5 > probability[1]
    assert found.explain
    parts = found.explain(rows, found.stop())
    odds = parts["contributions"].sum(axis=1) + parts["base"]
    assert np.allclose(1 / (1 + np.exp(-odds)), probability)
    assert tuple(parts["features"]) == FEATURES


def test_lightgbm_with_several_classes_gives_a_column_for_each(folder: Path) -> None:
    toml = '[[outputs]]\nname = "class"\nlabels = ["low", "middle", "high"]'
    found = opened(folder, trees(3), toml, file="model.txt")
    assert found.outputs[0].row["labels"] == ["low", "middle", "high"]
    rows = {"features": np.zeros((2, 3))}
    assert found.predict(rows, found.stop())["class"].shape == (2, 3)
    assert found.explain
    assert found.explain(rows, found.stop())["contributions"].shape == (2, 3, 3)


def test_a_model_file_may_name_each_column(folder: Path) -> None:
    toml = "".join(f'[[inputs]]\nname = "{name}"\n' for name in FEATURES)
    found = opened(folder, trees(), toml, file="model.txt")
    assert [each.row for each in found.inputs] == [
        {"name": name, "datatype": "FP64", "shape": [-1]} for name in FEATURES
    ]
    columns = {name: np.zeros(2) for name in FEATURES}
    assert found.predict(columns, found.stop())["probability"].shape == (2,)


def test_a_model_file_may_narrow_a_shape_and_choose_outputs(folder: Path) -> None:
    toml = 'description = "Sums."\n[[inputs]]\nname = "x"\nshape = [1, 4]\nmissing = true\n'
    found = opened(folder, linear(), toml)
    assert (found.inputs[0].shape, found.inputs[0].missing, found.about) == ((1, 4), True, "Sums.")


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("inputs = 3", r"model.toml is wrong \(expected array, got int - at inputs\); mend it"),
        ('[[input]]\nname = "x"', "contains unknown field input"),
        ('[[inputs]]\nname = "z"', "model.toml names the input z, and the model has x"),
        ('[[outputs]]\nname = "z"', "model.toml names the output z, and the model has y"),
        ('[[inputs]]\nname = "x"\nshape = [-1, 5]', r"says something else of x than the model: x \(FP32"),
        ('[[inputs]]\nname = "x"\ndatatype = "INT8"', "says something else of x"),
        ('[[inputs]]\nname = "x"\ndatatype = "float"', "invalid enum value 'float'"),
        ('[[outputs]]\nname = "y"\nlabels = ["a"]', "has 1 labels for y"),
        ('[[inputs]]\nname = "x"\n[[inputs]]\nname = "x"', "names x twice"),
        ("description =", "Unexpected|value"),
    ],
)
def test_a_mistake_in_model_toml_is_a_sentence(folder: Path, toml: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        opened(folder, linear(), toml)


def test_what_is_no_model_is_a_sentence(folder: Path) -> None:
    for at, (content, file, sentence) in enumerate(
        [
            (b"", "model.onnx", "onnxruntime cannot open model.onnx"),
            (b"\x80\x04\x95junk", "model.onnx", "onnxruntime cannot open model.onnx"),
            (linear()[:60], "model.onnx", "onnxruntime cannot open model.onnx"),
            (b"\x80\x04\x95junk", "model.txt", "model.txt is no model of LightGBM"),
            (b"", "model.txt", "model.txt is no model of LightGBM"),
            (trees()[:2000], "model.txt", "model.txt is cut off; copy it again"),
            (turned_round(trees()), "model.txt", "model.txt is damaged; copy it again"),
            (b"x", "other.bin", "it holds no model file"),
        ]
    ):
        with pytest.raises(InvalidInput, match=sentence) as raised:
            opened(folder / str(at), content, file=file)
        assert str(folder) not in raised.value.message


def test_lightgbm_without_its_library_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = trees()
    broken = "raise OSError('libgomp.so.1: cannot open shared object file: No such file or directory')"
    (tmp_path / "lightgbm.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm")
    with pytest.raises(
        InvalidInput, match=r"needs the OpenMP library .*; install it \(apt-get install libgomp1"
    ):
        opened(folder, content, file="model.txt")


def test_operators_of_others_and_data_from_outside_are_refused(folder: Path) -> None:
    foreign = onnx_model(
        [helper.make_node("Run", ["x"], ["y"], domain="com.evil")],
        [value("x", ["rows"])],
        [value("y", ["rows"])],
        domain="com.evil",
    )
    with pytest.raises(InvalidInput, match=r"com\.evil:Run.* is not a registered function"):
        opened(folder / "foreign", foreign)
    (folder / "secret.bin").write_bytes(os.urandom(32))
    for at, path in enumerate(("../../../secret.bin", str(folder / "secret.bin"), "link.bin")):
        where = folder / str(at)
        version = put(where, "m", 1, outside(path))
        (version / "link.bin").symlink_to(folder / "secret.bin")
        with pytest.raises(InvalidInput, match="data outside of its folder, which is never read"):
            open_version(version, 1)
    inside = put(folder / "inside", "m", 1, outside("weights.bin"))
    (inside / "weights.bin").write_bytes(np.ones(8, dtype=np.float32).tobytes())
    assert open_version(inside, 1).inputs[0].name == "x"


def turned_round(content: bytes) -> bytes:
    """Let the first node of the first tree be its own child."""
    return re.sub(rb"left_child=\S+", b"left_child=0", content, count=1)


def outside(location: str) -> bytes:
    """A linear model whose weights are in another file."""
    import onnx

    model = onnx.load_from_string(linear())
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("offset", "0"), ("length", "32")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, text
    return bytes(model.SerializeToString())
