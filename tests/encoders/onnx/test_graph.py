import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
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
