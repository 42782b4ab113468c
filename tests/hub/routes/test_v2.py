"""The Open Inference Protocol, as Triton's own client and plain JSON speak it."""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http.aio as triton
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from runtime.settings import HubLimits, HubSettings
from tests.hub.conftest import RealHub
from tests.runtime.inference.making import echo, endless, linear, put, trees

TYPES = [
    ("BOOL", TensorProto.BOOL, np.bool_),
    ("UINT8", TensorProto.UINT8, np.uint8),
    ("UINT16", TensorProto.UINT16, np.uint16),
    ("UINT32", TensorProto.UINT32, np.uint32),
    ("UINT64", TensorProto.UINT64, np.uint64),
    ("INT8", TensorProto.INT8, np.int8),
    ("INT16", TensorProto.INT16, np.int16),
    ("INT32", TensorProto.INT32, np.int32),
    ("INT64", TensorProto.INT64, np.int64),
    ("FP16", TensorProto.FLOAT16, np.float16),
    ("FP32", TensorProto.FLOAT, np.float32),
    ("FP64", TensorProto.DOUBLE, np.float64),
    ("BYTES", TensorProto.STRING, np.object_),
]


@pytest.fixture
async def models(tmp_path: Path) -> AsyncIterator[Any]:
    """A hub that serves a linear model in two versions, and lists what is no model."""
    folder = tmp_path / "models"
    for version in (1, 2):
        put(folder, "sums", version, linear(version))
    put(folder, "junk", 1, b"junk")
    hub = RealHub(tmp_path)
    await hub.serve()
    await ready(hub)
    yield hub
    await hub.stop()


async def ready(hub: Any) -> None:
    async with asyncio.timeout(60):
        while (await hub.ask("GET", "/v2/health/ready"))[0] != 200:
            await asyncio.sleep(0.05)


@pytest.fixture
async def client(models: Any) -> AsyncIterator[Any]:
    """Triton's client of it."""
    async with triton.InferenceServerClient(models.url.removeprefix("http://")) as made:
        yield made


def tensor(array: Any, *, name: str = "x", datatype: str = "FP32", binary: bool = True) -> Any:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def body(data: Any, *, name: str = "x", datatype: str = "FP32", shape: Any = (1, 4), **more: Any) -> Any:
    return {"inputs": [{"name": name, "datatype": datatype, "shape": list(shape), "data": data}], **more}


ROW = np.ones((1, 4), dtype=np.float32)


async def test_tritons_client_finds_servers_and_models_as_they_are(client: Any) -> None:
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("sums")
    assert await client.is_model_ready("sums", "1")
    assert not await client.is_model_ready("sums", "7")
    assert not await client.is_model_ready("junk")
    assert "binary_tensor_data" in (await client.get_server_metadata())["extensions"]
    assert await client.get_model_metadata("sums") == {
        "name": "sums",
        "versions": ["1", "2"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    listed = {(row["name"], row["version"]): row for row in await client.get_model_repository_index()}
    assert listed["sums", "2"]["state"] == "READY"
    assert listed["junk", "1"]["state"] == "UNAVAILABLE"
    assert "onnxruntime cannot open model.onnx" in listed["junk", "1"]["reason"]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
async def test_tritons_client_gets_answers(client: Any, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("y", binary_data=binary)]
    answer = await client.infer("sums", [tensor(ROW, binary=binary)], outputs=wanted, request_id="seven")
    assert answer.as_numpy("y").tolist() == [[8.0, 8.0]]
    said = answer.get_response()
    assert (said["model_name"], said["model_version"], said["id"]) == ("sums", "2", "seven")
    older = await client.infer("sums", [tensor(ROW)], model_version="1")
    assert older.as_numpy("y").tolist() == [[4.0, 4.0]]


async def test_tritons_client_may_compress(client: Any) -> None:
    for way in ("gzip", "deflate"):
        answer = await client.infer("sums", [tensor(ROW)], request_compression_algorithm=way)
        assert answer.as_numpy("y").tolist() == [[8.0, 8.0]]


async def test_all_types_come_back_as_they_were(tmp_path: Path) -> None:
    for datatype, kind, _ in TYPES:
        put(tmp_path / "models", f"echo_{datatype}", 1, echo(kind))
    hub = RealHub(tmp_path)
    await hub.serve()
    try:
        await ready(hub)
        async with triton.InferenceServerClient(hub.url.removeprefix("http://")) as client:
            for datatype, _, dtype in TYPES:
                values = ["é", "long\ntext", ""] if datatype == "BYTES" else [0, 1, 1]
                sent: Any = np.array([values], dtype=dtype)
                for binary in (True, False):
                    if datatype == "FP16" and not binary:
                        continue  # the client has no JSON for it
                    answer = await client.infer(
                        f"echo_{datatype}",
                        [tensor(sent, datatype=datatype, binary=binary)],
                        outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
                    )
                    found = answer.as_numpy("y").tolist()
                    if datatype == "BYTES" and binary:
                        found = [[text.decode() for text in row] for row in found]
                    assert found == sent.tolist(), datatype
        status, answer = await hub.ask(
            "POST", "/v2/models/echo_FP16/infer", body([[1.5, 2]], datatype="FP16", shape=(1, 2))
        )
        assert (status, answer["outputs"][0]["data"]) == (200, [1.5, 2.0])
    finally:
        await hub.stop()


async def test_plain_json_is_enough(models: Any) -> None:
    for data in ([1, 2, 3, 4], [[1, 2, 3, 4]]):
        status, answer = await models.ask("POST", "/v2/models/sums/versions/1/infer", body(data, id="a"))
        assert status == 200
        assert answer == {
            "id": "a",
            "model_name": "sums",
            "model_version": "1",
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [10.0, 10.0]}],
        }


async def test_trees_say_what_each_feature_contributes(models: Any, tmp_path: Path) -> None:
    put(tmp_path / "models", "trees", 1, trees(), file="model.txt")
    async with asyncio.timeout(60):
        while (await models.ask("GET", "/v2/models/trees/ready"))[0] != 200:
            await asyncio.sleep(0.05)
    sent = body([[2, 0, 3], [None, 1, 1]], name="features", datatype="FP64", shape=(2, 3))
    status, answer = await models.ask("POST", "/v2/models/trees/explain", sent)
    assert status == 200
    outputs = {each["name"]: each for each in answer["outputs"]}
    assert outputs["features"]["data"] == ["age", "visits", "country"]
    parts = np.reshape(outputs["contributions"]["data"], outputs["contributions"]["shape"])
    _, predicted = await models.ask("POST", "/v2/models/trees/infer", sent)
    odds = parts.sum(axis=1) + outputs["base"]["data"]
    assert np.allclose(1 / (1 + np.exp(-odds)), predicted["outputs"][0]["data"])
    status, answer = await models.ask("POST", "/v2/models/sums/explain", body([1, 2, 3, 4]))
    assert status == 501
    assert answer["error"].startswith("The model sums cannot be explained")


WRONG = [
    ({}, 400, "The field inputs is missing; add it."),
    ({"inputs": []}, 400, r"The input x \(FP32 \[-1, 4\]\) is missing; send it."),
    (body([1, 2, 3, 4], name="z"), 400, "There is no input z; .*x"),
    (body([1, 2, 3, 4], datatype="FP64"), 400, "was sent as FP64; send FP32."),
    (body([1, 2, 3, 4], datatype="float"), 400, "has the datatype float, which there is not"),
    (body([1, 2, 3]), 400, r"has the shape \[1, 4\] and 3 values; send as many as that"),
    (body([1, 2, 3], shape=(1, 3)), 400, r"was sent with the shape \[1, 3\]; send one that fits"),
    (body([1, 2, 3, 4], shape=(-1, 4)), 400, "a size is 0 or more"),
    (body([], shape=(0, 10**30)), 400, "wrong"),
    (body([], shape=(0, 2**62, 2**62)), 400, "a shape that no array has; mend it"),
    (body([1], shape=[1] * 70), 400, "a shape that no array has; mend it"),
    (body([1], shape=[]), 400, r"was sent with the shape \[\]"),
    (body([[1, 2], [3]]), 400, "is ragged; make all its rows equally long"),
    (body(["a", "b", "c", "d"]), 400, "holds text, and is FP32; send that type"),
    (body([1, 2, 3, None]), 400, "holds NaN or null"),
    (body([], shape=(0, 4)), 400, "The request has no rows; send at least one."),
    (body([0] * 40_004, shape=(10_001, 4)), 400, "has 10001 rows, and 10000 are the most"),
    (body(None), 400, "The input x has no data; send it."),
    (body([1, 2, 3, 4], outputs=[{"name": "q"}]), 400, "There is no output q; the outputs are y."),
    (body([1, 2, 3, 4], parameters={"sequence_id": 3}), 501, "take sequence_id out"),
]


async def test_what_is_wrong_is_a_sentence(models: Any) -> None:
    for sent, status, sentence in WRONG:
        found, answer = await models.ask("POST", "/v2/models/sums/infer", sent)
        assert (found, list(answer)) == (status, ["error"])
        assert re.search(sentence, answer["error"]), answer["error"]


async def test_what_is_no_request_or_no_model_is_a_sentence(models: Any) -> None:
    post = models.client.post
    async with post("/v2/models/sums/infer", data=b'{"inputs": [NaN]}') as answer:
        assert (answer.status, "not JSON" in (await answer.json())["error"]) == (400, True)
    for path, status, words in (
        ("/v2/models/summs/infer", 404, "There is no model summs; did you mean sums?"),
        ("/v2/models/sums/versions/9/infer", 404, "has no version 9 in service; take one of 1, 2."),
        ("/v2/models/junk/infer", 500, "The model junk cannot be served: onnxruntime cannot open"),
        ("/v2/models/sums/nothing", 404, "There is nothing at POST"),
    ):
        found, told = await models.ask("POST", path, body([1, 2, 3, 4]))
        assert (found, list(told)) == (status, ["error"])
        assert words in told["error"]


def binary(header: Any, rest: bytes, length: int | None = None) -> dict[str, Any]:
    text = json.dumps(header).encode()
    size = len(text) if length is None else length
    return {"data": text + rest, "headers": {"Inference-Header-Content-Length": str(size)}}


def described(size: Any, *, datatype: str = "FP32", shape: Any = (1, 4)) -> Any:
    parameters = {"binary_data_size": size}
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": list(shape), "parameters": parameters}]}


NOT_WHOLE: list[tuple[dict[str, Any], str]] = [
    (binary(described(16), b"1234"), "The binary data of x is cut off; send all 16 bytes."),
    (binary(described(16), b"0" * 20), "4 bytes of the body belong to no input"),
    (binary(described(15), b"0" * 15), "its 15 bytes are no whole number of FP32"),
    (binary(described(-1), b""), "The binary_data_size of x is no number of bytes"),
    (binary(described(16), b"", 10_000), "Inference-Header-Content-Length is 10000, and the body has"),
    (binary(described(16), struct.pack("<4f", 1, 2, 3, float("nan"))), "holds NaN or null"),
    (binary(described(16), struct.pack("<4f", 1, 2, 3, float("inf"))), "holds Infinity"),
    (
        binary(described(8, datatype="BYTES", shape=(1,)), struct.pack("<I4s", 9, b"abcd")),
        "texts are cut off",
    ),
    (binary(described(6, datatype="BYTES", shape=(1,)), b"\2\0\0\0\xff\xff"), "is no UTF-8"),
    ({"data": b"{}", "headers": {"Inference-Header-Content-Length": "x"}}, "is no number of bytes"),
]


async def test_binary_data_that_is_not_whole_is_a_sentence(models: Any) -> None:
    for sent, sentence in NOT_WHOLE:
        async with models.client.post("/v2/models/sums/infer", **sent) as answer:
            assert answer.status == 400
            assert sentence in (await answer.json())["error"]


async def test_binary_tensors_may_be_larger_than_json(models: Any) -> None:
    await models.stop()
    await models.serve(hub=HubSettings(port=0, limits=HubLimits(message=2000)))
    await ready(models)
    rows = np.ones((1000, 4), dtype=np.float32)
    async with triton.InferenceServerClient(models.url.removeprefix("http://")) as client:
        answer = await client.infer("sums", [tensor(rows)])
        assert answer.as_numpy("y").shape == (1000, 2)
        with pytest.raises(InferenceServerException, match=r"\[hub\] limits.message"):
            await client.infer("sums", [tensor(rows, binary=False)])


async def test_many_at_once_each_get_their_own_answer(models: Any, client: Any) -> None:
    rows = [np.full((1, 4), n, dtype=np.float32) for n in range(60)]
    answers = await asyncio.gather(*(client.infer("sums", [tensor(row)]) for row in rows))
    assert [answer.as_numpy("y")[0, 0] for answer in answers] == [8.0 * n for n in range(60)]
    text = await (await models.client.get("/metrics")).text()
    assert 'hubbub_inference_seconds_count{model="sums"} 60.0' in text


async def test_a_queue_that_is_full_says_when_to_come_back(tmp_path: Path) -> None:
    put(tmp_path / "models", "sums", 1, linear())
    hub = RealHub(tmp_path)
    await hub.serve(inference={"queue": 0, "threads": 1})
    try:
        await ready(hub)
        found = await asyncio.gather(
            *(hub.client.post("/v2/models/sums/infer", json=body([1, 2, 3, 4])) for _ in range(50))
        )
        refused = [answer for answer in found if answer.status == 429]
        assert {answer.status for answer in found} == {200, 429}
        assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
        assert "requests waiting" in (await refused[0].json())["error"]
    finally:
        await hub.stop()


async def test_a_model_that_takes_too_long_is_a_timeout(tmp_path: Path) -> None:
    put(tmp_path / "models", "endless", 1, endless(), toml="batches = true")
    hub = RealHub(tmp_path)
    await hub.serve(inference={"timeout": 2})
    try:
        await ready(hub)
        sent = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}
        status, answer = await hub.ask("POST", "/v2/models/endless/infer", sent)
        assert status == 504
        assert "no answer within 2 s; send fewer rows, or raise [inference] timeout" in answer["error"]
    finally:
        await hub.stop()


async def test_strangers_may_ask_only_whether_it_lives(tmp_path: Path, guarded: Any) -> None:
    async with triton.InferenceServerClient(guarded.url.removeprefix("http://")) as client:
        assert await client.is_server_live()
        with pytest.raises(InferenceServerException, match="key"):
            await client.get_server_metadata()
        with pytest.raises(InferenceServerException, match="key"):
            await client.infer("sums", [tensor(ROW)])
