"""Makes models as their owners would: small graphs of ONNX, and trees that LightGBM has trained."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FEATURES = ("age", "visits", "country")


def put(
    models: Path, name: str, version: int, content: bytes, *, file: str = "model.onnx", toml: str = ""
) -> Path:
    """Put a version in place by one rename, and return its folder."""
    beside = models / name / "next"
    beside.mkdir(parents=True)
    (beside / file).write_bytes(content)
    if toml:
        (beside / "model.toml").write_text(toml)
    return beside.rename(models / name / str(version))


def onnx_model(nodes: Any, inputs: Any, outputs: Any, weights: Any = (), domain: str = "") -> bytes:
    """Return a model of ONNX."""
    graph = helper.make_graph(nodes, "made", inputs, outputs, list(weights))
    imports = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = 9
    return bytes(model.SerializeToString())


def value(name: str, shape: Any, kind: int = TensorProto.FLOAT) -> Any:
    """Declare an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def linear(scale: float = 1.0, rows: Any = "rows") -> bytes:
    """y = x · scale summed over 4 columns, twice."""
    weights = numpy_helper.from_array(np.full((4, 2), scale, dtype=np.float32), "w")
    return onnx_model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", [rows, 4])],
        [value("y", [rows, 2])],
        [weights],
    )


def centred() -> bytes:
    """y = x minus its mean over the rows: what a row gives depends on the others."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    return onnx_model(nodes, [value("x", ["rows", 4])], [value("y", ["rows", 4])])


def echo(kind: int, shape: Any = ("rows", "columns")) -> bytes:
    """Give back what came in."""
    shapes = list(shape)
    return onnx_model(
        [helper.make_node("Identity", ["x"], ["y"])], [value("x", shapes, kind)], [value("y", shapes, kind)]
    )


def endless() -> bytes:
    """Loop for as long as `x` is above 0: some 10¹² turns."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes"]),
            helper.make_node("Mul", ["sum_in", "sum_in"], ["sum_out"]),
        ],
        "body",
        [
            value("turn", [], TensorProto.INT64),
            value("going", [], TensorProto.BOOL),
            value("sum_in", ["rows"]),
        ],
        [value("goes", [], TensorProto.BOOL), value("sum_out", ["rows"])],
    )
    zero = numpy_helper.from_array(np.zeros(1, dtype=np.float32), "zero")
    turns = numpy_helper.from_array(np.asarray(10**12, dtype=np.int64), "turns")
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Squeeze", ["zero"], ["nothing"]),
        helper.make_node("Greater", ["most", "nothing"], ["goes_on"]),
        helper.make_node("Loop", ["turns", "goes_on", "x"], ["y"], body=body),
    ]
    return onnx_model(nodes, [value("x", ["rows"])], [value("y", ["rows"])], [zero, turns])


@cache
def trees(classes: int = 2) -> bytes:
    """Return a small model of LightGBM with three features, one of them a category."""
    import lightgbm

    made = np.random.default_rng(0)
    rows = np.column_stack([made.normal(size=600), made.normal(size=600), made.integers(0, 5, 600)])
    score = rows[:, 0] + (rows[:, 2] == 3)
    labels = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    params: dict[str, Any] = {"objective": "binary" if classes == 2 else "multiclass", "verbosity": -1}
    if classes > 2:
        params["num_class"] = classes
    data = lightgbm.Dataset(rows, labels, feature_name=list(FEATURES), categorical_feature=["country"])
    text: str = lightgbm.train(params | {"num_threads": 1}, data, 10).model_to_string()
    return text.encode()
