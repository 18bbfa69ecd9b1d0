import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import avadclip.encoders.onnx.graph
from avadclip.encoders.onnx.graph import cached_session, export_graph, start_session


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose cache is empty and where any bytes but b"damaged" are a network."""

    def start(graph: bytes, num_threads: int) -> bytes:
        if graph == b"damaged":
            raise RuntimeError("INVALID_PROTOBUF")
        return graph

    monkeypatch.setattr(avadclip.encoders.onnx.graph, "start_session", start)
    monkeypatch.setattr(avadclip.encoders.onnx.graph, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.fixture
def exports() -> list[str]:
    return []


def load(exports: list[str]) -> object:
    return cached_session("net.onnx", lambda: exports.append("made") or b"graph", num_threads=1)


def test_a_network_is_exported_once_per_machine(cache: Path, exports: list[str]) -> None:
    assert [load(exports), load(exports)] == [b"graph"] * 2
    assert len(exports) == 1
    assert [path.name for path in (cache / "avadclip").iterdir()] == ["net.onnx"]


def test_a_damaged_cache_is_made_again(cache: Path, exports: list[str]) -> None:
    load(exports)
    (cached,) = (cache / "avadclip").iterdir()
    cached.write_bytes(b"damaged")
    assert load(exports) == b"graph"
    assert cached.read_bytes() == b"graph"
    assert len(exports) == 2


def test_it_works_where_nothing_can_be_kept(cache: Path, exports: list[str]) -> None:
    cache.write_text("a file where the folder should be")
    assert [load(exports), load(exports)] == [b"graph"] * 2
    assert len(exports) == 2


def test_an_exported_graph_computes_what_the_network_does(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    session = start_session(export_graph(network, torch.zeros(4, 3), "rows"), 1)
    rows = torch.randn(4, 3)
    (found,) = session.run(None, {"rows": rows.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), network(rows).detach())
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_the_runtime_reports_nothing_to_its_makers(tmp_path: Path) -> None:
    """Where its reporting is on, as it is unless it is told, the import alone leaves a file `.ses` in TMPDIR."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", "import avadclip.encoders.onnx.graph"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_an_8_bit_graph_computes_the_same_on_every_processor() -> None:
    """Largest inputs times largest weights: two products pass 16 bits, in which some processors add 8-bit ones."""
    size = 64
    constants = {"scale": np.float32(1 / 255), "zero": np.uint8(0), "weight_scale": np.float32(1 / 127)}
    constants |= {"weight_zero": np.int8(0), "sum_scale": np.float32(size / 255)}
    constants["weight"] = np.full((size, size), 127, np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "scale", "zero"], ["x32"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["weight32"]),
        helper.make_node("MatMul", ["x32", "weight32"], ["sum32"]),
        helper.make_node("QuantizeLinear", ["sum32", "sum_scale", "zero"], ["sum8"]),
        helper.make_node("DequantizeLinear", ["sum8", "sum_scale", "zero"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name in "xy"]
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "sum", ends[:1], ends[1:], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = start_session(model.SerializeToString(), 1)
    (found,) = session.run(["y"], {"x": np.ones((1, size), np.float32)})
    assert found == pytest.approx(np.full((1, size), size), rel=1e-6)  # 64 times 1 times 1
