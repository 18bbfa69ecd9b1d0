"""Checkpoints, feature files, weights, lists and recipes that lie, or hold code."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from .case import Case, written

STARTER = Path(str(resources.files("avadclip"))) / "checkpoints" / "starter-1.safetensors"
TWO_NUMBERS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
FEATURE_HEADER = {
    "format": 1,
    "provenance": {
        "grid": {"snippet_frames": 16, "frame_rate_hz": 24.0},
        "visual": {"name": "lite"},
        "audio": None,
        "damage": None,
    },
    "source_sha256": "ab" * 32,
    "duration_seconds": 2.0,
    "sound_is_silent": False,
    "notes": [],
    "written_by": "avadclip",
}
READERS_OF_TENSORS = ("checkpoint", "features", "weights")


class Code:
    """What an attacker puts into a pickle: unpickled, it leaves a file called `ran`."""

    def __init__(self, folder: Path) -> None:
        self._sign = folder / "ran"

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._sign,)


def _tensors(header: dict[str, Any] | str, data: bytes = bytes(8), *, length: int | None = None) -> bytes:
    """A safetensors file of this header, true or not."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _pickles() -> Iterator[Case]:
    def torch_saved(folder: Path) -> bytes:
        buffer = io.BytesIO()
        torch.save({"weight": torch.zeros(2), "more": Code(folder)}, buffer)
        return buffer.getvalue()

    def old_torch_saved(folder: Path) -> bytes:
        buffer = io.BytesIO()
        torch.save({"weight": Code(folder)}, buffer, _use_new_zipfile_serialization=False)
        return buffer.getvalue()

    def numpy_saved(folder: Path) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, np.array([Code(folder)], dtype=object), allow_pickle=True)
        return buffer.getvalue()

    def torchscript(folder: Path) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a/constants.pkl", pickle.dumps(Code(folder)))
            archive.writestr("a/data.pkl", pickle.dumps(Code(folder)))
        return buffer.getvalue()

    kinds = {
        "a pickle": lambda folder: pickle.dumps(Code(folder), protocol=2),  # later ones begin with their length
        "of torch.save": torch_saved,
        "of an old torch.save": old_torch_saved,
        "of numpy.save": numpy_saved,
        "like TorchScript": torchscript,
    }
    readers = {
        **dict.fromkeys(READERS_OF_TENSORS, "a.safetensors"),
        "pickled weights": "a.pth",
        "TorchScript weights": "a.pt",
        "published features": "a.npy",
    }
    for kind, content in kinds.items():
        for reader, name in readers.items():
            yield Case("pickles with code", f"{kind}, read as {reader}", written(name, content), "error", reader=reader)


def _weights() -> Iterator[Case]:
    def saved(value: object, **options: object) -> bytes:
        buffer = io.BytesIO()
        torch.save(value, buffer, **options)
        return buffer.getvalue()

    def zip_bomb(folder: Path) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", saved({}))
            with archive.open("archive/data/0", "w", force_zip64=True) as entry:
                for _ in range(200):
                    entry.write(bytes(10**6))
        return buffer.getvalue()

    endless = torch.zeros(1).expand(2**40)
    contents: dict[str, Callable[[Path], bytes] | bytes] = {
        "a compressed archive of 200 MB of zeros": zip_bomb,
        "a terabyte of shape over four bytes": saved({"weight": endless}),
        "a sparse tensor": saved({"weight": torch.zeros(3, 3).to_sparse()}),
        "a nested checkpoint": saved({"state_dict": {"weight": torch.zeros(1)}}),
        "numbers for names": saved({1: torch.zeros(1)}),
        "a list 100000 deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "a string of 4 GB announced": b"\x80\x04\x8e" + struct.pack("<Q", 2**32) + b"a.",
        "a billion memo entries": b"\x80\x02}r" + struct.pack("<I", 2**30) + b".",
    }
    for name, content in contents.items():
        yield Case("weights", name, written("a.pth", content), "error", reader="pickled weights")


def _lies() -> Iterator[Case]:
    many = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(20_000)}
    gap = {"a": TWO_NUMBERS, "b": {**TWO_NUMBERS, "data_offsets": [100, 108]}}
    contents = {
        "a header longer than the file": _tensors({"a": TWO_NUMBERS}, length=10_000),
        "a header of 2^63 bytes": _tensors({"a": TWO_NUMBERS}, length=2**63),
        "a header of no bytes": _tensors({}, length=0),
        "tensors beyond the file": _tensors({"a": {**TWO_NUMBERS, "shape": [2000], "data_offsets": [0, 8000]}}),
        "tensors that overlap": _tensors({"a": TWO_NUMBERS, "b": {**TWO_NUMBERS, "data_offsets": [4, 12]}}, bytes(12)),
        "a hole between tensors": _tensors(gap, bytes(108)),
        "a tensor that ends before it begins": _tensors({"a": {**TWO_NUMBERS, "data_offsets": [8, 0]}}),
        "a negative place": _tensors({"a": {**TWO_NUMBERS, "data_offsets": [-8, 0]}}),
        "a shape that overflows": _tensors({"a": {**TWO_NUMBERS, "shape": [2**33, 2**33, 2**33]}}),
        "a shape of a petabyte": _tensors({"a": {**TWO_NUMBERS, "shape": [2**48]}}),
        "a shape of 100000 axes": _tensors({"a": {**TWO_NUMBERS, "shape": [1] * 99_999 + [2]}}),
        "an unknown type": _tensors({"a": {**TWO_NUMBERS, "dtype": "F7"}}),
        "20000 empty tensors": _tensors(many, b""),
        "JSON 100000 deep": _tensors("[" * 100_000),
        "metadata 100000 deep": _tensors('{"__metadata__":' + '{"a":' * 100_000 + "1" + "}" * 100_001),
        "metadata that is no text": _tensors({"__metadata__": {"avadclip": 7}, "a": TWO_NUMBERS}),
        "a number of 100000 digits": _tensors(
            '{"a":{"dtype":"F32","shape":[' + "9" * 100_000 + '],"data_offsets":[0,8]}}'
        ),
        "a name twice": _tensors(f'{{"a":{json.dumps(TWO_NUMBERS)},"a":{json.dumps(TWO_NUMBERS)}}}'),
        "text that is not UTF-8": _tensors({"a": TWO_NUMBERS}).replace(b'"a"', b'"\xff"'),
    }
    for name, content in contents.items():
        for reader in READERS_OF_TENSORS:
            build = written("a.safetensors", content)
            yield Case("safetensors that lie", f"{name}, read as {reader}", build, "error", reader=reader)


def _headers() -> Iterator[Case]:
    def starter(change: Callable[[dict[str, Any]], object]) -> bytes:
        content = STARTER.read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + length])
        own = json.loads(header["__metadata__"]["avadclip"])
        change(own)
        header["__metadata__"]["avadclip"] = json.dumps(own)
        return _tensors(header, content[8 + length :])

    changes: dict[str, Callable[[dict[str, Any]], object]] = {
        "a million classes": lambda own: own.update(classes=["normal", *map(str, range(10**6))]),
        "features a billion wide": lambda own: own.update(visual_dim=10**9),
        "the widest features and embedding": lambda own: (
            own.update(visual_dim=65_536, audio_dim=65_536), own["network"].update(embed_dim=2048)),
        "8 blocks of the widest embedding": lambda own: own["network"].update(
            embed_dim=2048, enhancement_blocks=8, teacher_temporal={"num_blocks": 8, "attention_window": 256}),
        "no classes": lambda own: own.update(classes=[]),
        "no networks": lambda own: own.update(thresholds={}, selection={}),
        "a network of another system": lambda own: own.update(thresholds={"hl-net": {"detection": 0.5, "alert": None}},
                                                              selection={"hl-net": "last"}),
        "a threshold that is no number": lambda own: own["thresholds"]["teacher"].update(detection=float("nan")),
        "snippets of no frames": lambda own: own["features"]["grid"].update(snippet_frames=0),
        "snippets at a rate of 0": lambda own: own["features"]["grid"].update(frame_rate_hz=0.0),
        "snippets at a negative rate": lambda own: own["features"]["grid"].update(frame_rate_hz=-24.0),
        "encoders from elsewhere": lambda own: own.update(encoders="clip:/dev/zero"),
    }  # fmt: skip
    accepted = ("encoders from elsewhere",)  # the name of a folder is read by who loads the encoders
    for name, change in changes.items():
        build = written("a.safetensors", starter(change))
        expected = "result" if name in accepted else "error"
        yield Case("headers of checkpoints", name, build, expected, reader="checkpoint")

    def features(rows: np.ndarray, audio: np.ndarray | None = None, **changes: object) -> bytes:
        tensors = {"visual": rows, "times": np.arange(rows.shape[-2], dtype=np.float64)}
        if audio is not None:
            tensors["audio"] = audio
        return save(tensors, {"avadclip": json.dumps({**FEATURE_HEADER, **changes})})

    rows = np.ones((3, 4), np.float32)
    grid = {"snippet_frames": 16, "frame_rate_hz": 24.0}
    provenance = FEATURE_HEADER["provenance"]
    bad_rows = rows.copy()
    bad_rows[1, 2] = np.nan
    contents = {
        "a NaN": features(bad_rows),
        "an infinite number": features(rows * np.float32(np.inf)),
        "no snippets": features(rows[:0]),
        "no width": features(rows[:, :0]),
        "integers": features(rows.astype(np.int32)),
        "sound of another length": features(rows, rows[:2]),
        "a NaN in the sound": features(rows, bad_rows),
        "four axes": features(rows[None, None]),
        "a duration that is no number": features(rows, duration_seconds=float("nan")),
        "an endless duration": features(rows, duration_seconds=float("inf")),
        "a negative duration": features(rows, duration_seconds=-1.0),
        "snippets of no frames": features(rows, provenance={**provenance, "grid": {**grid, "snippet_frames": 0}}),
        "snippets at a rate of 0": features(rows, provenance={**provenance, "grid": {**grid, "frame_rate_hz": 0}}),
        "a format of the future": features(rows, format=2),
        "a text for a number": features(rows, duration_seconds="long"),
    }  # fmt: skip
    for name, content in contents.items():
        yield Case("feature files", name, written("a.safetensors", content), "error", reader="features")


def _arrays() -> Iterator[Case]:
    def npy(
        header: str, data: bytes = bytes(32), version: tuple[int, int] = (1, 0), length: int | None = None
    ) -> bytes:
        text = header.encode("latin1")
        size = struct.pack("<H" if version == (1, 0) else "<I", len(text) if length is None else length)
        return b"\x93NUMPY" + bytes(version) + size + text + data

    def head(shape: str, descr: str = "'<f4'") -> str:
        return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"

    contents = {
        "a terabyte of rows": npy(head("(1099511627776, 4)")),
        "a shape that overflows": npy(head("(4611686018427387904, 4)")),
        "a negative shape": npy(head("(-1, 4)")),
        "no rows": npy(head("(0, 4)"), b""),
        "a type of a gigabyte": npy(head("(1, 4)", "'|V1000000000'")),
        "objects": npy(head("(2, 4)", "'|O'")),
        "a thousand brackets": npy("(" * 1000 + ")" * 1000),
        "a header of 4 GB": npy(head("(2, 4)"), version=(2, 0), length=2**32 - 1),
        "a header that calls something": npy(head("(__import__('os').getpid(), 4)")),
        "a future version": npy(head("(2, 4)"), version=(9, 9)),
        "rows of NaN": npy(head("(2, 4)"), np.full(8, np.nan, "<f4").tobytes()),
        "complex numbers": npy(head("(2, 2)", "'<c8'")),
        "named columns": npy(head("(2,)", "[('a', '<f4', (4,))]")),
        "a number of 5000 digits": npy(head(f"({'9' * 5000}, 4)")),
    }
    for name, content in contents.items():
        yield Case("published features", name, written("a.npy", content), "error", reader="published features")


def _lists() -> Iterator[Case]:
    head = b"video,label,start,end\n"
    tables = {
        "a cell of a megabyte": head + b"a" * 10**6 + b",normal,,\n",
        "a NUL in a name": head + b"a\0b.mp4,normal,,\n",
        "a quote that never ends": head + b'"a.mp4,normal,,\n' * 20_000,
        "100000 columns": b"video,label" + b",x" * 100_000 + b"\n",
        "100000 columns of one name": b"video" + b",label" * 100_000 + b"\n",
        "times without end": head + b"a.mp4,fighting,0,1e400\n",
        "times that are no numbers": head + b"a.mp4,fighting,nan,2\n",
        "times backwards": head + b"a.mp4,fighting,5,2\n",
        "a time of 100000 digits": head + b"a.mp4,fighting,0," + b"9" * 100_000 + b"\n",
        "bytes that are no text": head + bytes(range(128, 256)) * 10,
        "UTF-16": "video,label\na.mp4,normal\n".encode("utf-16"),
        "nothing": b"",
        "only line ends": b"\n" * 100_000,
        "a million classes": head + b"a.mp4," + b"x|" * 10**6 + b"x,,\n",
        "a zip archive": b"PK\x03\x04" + bytes(1000),
    }
    accepted = ("a million classes", "a NUL in a name", "a quote that never ends")
    for name, content in tables.items():
        expected = "either" if name in accepted else "error"
        yield Case("lists", f"{name}, read as labels", written("a.csv", content), expected, reader="labels")
    lines = {
        "a number of 10000 digits": b"a.mp4 0 " + b"9" * 10_000,
        "no numbers": b"a.mp4 x y z",
        "NUL": b"a.mp4\0 1 2",
        "bytes that are no text": bytes(range(128, 256)),
        "times backwards": b"a.mp4 A 20 10",
        "a line of a megabyte": b"a.mp4" + b" 1" * 500_000,
        "a name twice": b"a.mp4 A 1 2\na.mp4 A 1 2\n",
    }
    for reader in ("spans", "class spans", "UCF-Crime spans", "frame counts"):
        for name, content in lines.items():
            line = content.replace(b" A", b"") if reader == "spans" else content
            yield Case("lists", f"{name}, read as {reader}", written("a.txt", line), "either", reader=reader)


def _configs() -> Iterator[Case]:
    contents = {
        "arrays 20000 deep": b"a = " + b"[" * 20_000 + b"]" * 20_000,
        "tables 20000 deep": b"[" + b"a." * 20_000 + b"a]\n",
        "a known key 20000 deep": b"[network." + b"a." * 20_000 + b"a]\n",
        "a deep value": b"network_kind" + b".a" * 20_000 + b" = 1\n",
        "inline tables 10000 deep": b"a = " + b"{a=" * 10_000 + b"1" + b"}" * 10_000,
        "a number of 50000 digits": b"seed = " + b"9" * 50_000,
        "100000 keys": b"".join(b"k%d = 1\n" % number for number in range(100_000)),
        "a key of 50 kB": b"k" * 50_000 + b" = 1",
        "a value of 50 kB": b'network_kind = "' + b"k" * 50_000 + b'"',
        "NUL": b"seed = 1\0",
        "bytes that are no text": b"seed = \xff",
        "a text that never ends": b'encoders = """' + b"x\n" * 100_000,
        "an endless rate": b"[optimizer]\nlearning_rate = inf\n",
        "no number as a rate": b"[optimizer]\nlearning_rate = nan\n",
        "a huge batch": b"[optimizer]\nbatch_size = -1\n",
        "a pickle": pickle.dumps({"seed": 1}),
    }
    for name, content in contents.items():
        yield Case("recipes", name, written("a.toml", content), "error", reader="config")


CASES = (*_pickles(), *_weights(), *_lies(), *_headers(), *_arrays(), *_lists(), *_configs())
