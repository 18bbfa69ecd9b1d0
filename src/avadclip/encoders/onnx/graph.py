"""Networks on ONNX Runtime (CPU), exported once per machine and cached for the user."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import torch
from onnxruntime import InferenceSession, SessionOptions
from platformdirs import user_cache_path
from torch import Tensor, nn

from avadclip.files import write_atomically

MODEL_GRAPH, GRAPH_OUTPUT, VALUE_NAME = 7, 12, 1  # field numbers of onnx.proto


def cached_session(file_name: str, make_graph: Callable[[], bytes], *, num_threads: int) -> InferenceSession:
    """Start a session of a cached graph, which is exported first if missing (some seconds).

    Args:
        file_name: name in the cache; it must identify everything that the graph depends on.
        make_graph: exports the network.
        num_threads: threads of one run.
    """
    cached = user_cache_path("avadclip") / file_name
    if cached.is_file():
        with suppress(Exception):  # a damaged file is exported again; ONNX Runtime raises many types of exceptions
            return start_session(cached.read_bytes(), num_threads)
    graph = make_graph()
    try:
        write_atomically(cached, graph)
    except OSError as error:
        logging.getLogger(__name__).info("%s cannot be written (%s); the next start exports it again", cached, error)
    return start_session(graph, num_threads)


def start_session(graph: bytes, num_threads: int, data: Mapping[str, bytes] | None = None) -> InferenceSession:
    """Start a session on the CPU.

    Args:
        graph: an ONNX file's content.
        num_threads: threads of one run.
        data: contents of the files that the graph keeps its weights in, by the names it has for them.
    """
    options = SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 4  # fatal: errors are raised, and would be printed as well
    # The kernels of 8-bit graphs overflow on processors without VNNI, and give them other results; in floating point,
    # as fast for one window, the same graph has the same results on every processor.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if data:
        names, contents = list(data), list(data.values())
        options.add_external_initializers_from_files_in_memory(names, contents, list(map(len, contents)))
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def export_graph(network: nn.Module, example: Tensor, input_name: str) -> bytes:
    """Export a network as an ONNX graph for inputs of the example's shape."""
    with less_said("torch.onnx"), warnings.catch_warnings():  # it warns that torchvision is missing, which is intended
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(network.eval(), (example,), input_names=[input_name], dynamo=True, verbose=False)
    assert program is not None
    graph: bytes = program.model_proto.SerializeToString()
    return graph


def with_outputs(graph: bytes, names: Sequence[str]) -> bytes:
    """The ONNX file with these inner tensors as outputs too.

    A protobuf message that is written after another is merged into it: this one adds only the outputs.
    """
    outputs = b"".join(_field(GRAPH_OUTPUT, _field(VALUE_NAME, name.encode())) for name in names)
    return graph + _field(MODEL_GRAPH, outputs)


def _field(number: int, content: bytes) -> bytes:
    """One field of a protobuf message: key, length, content."""
    length, rest = b"", len(content)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + content


@contextmanager
def less_said(logger_name: str | None) -> Iterator[None]:
    """Limit a logger to errors inside the block; None is the root logger."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
