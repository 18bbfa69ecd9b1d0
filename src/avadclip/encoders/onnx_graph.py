"""Networks on ONNX Runtime (CPU), exported once per machine and cached for the user."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from onnxruntime import InferenceSession, SessionOptions
from platformdirs import user_cache_path
from torch import Tensor, nn

from avadclip.files import write_atomically


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


def start_session(graph: bytes, num_threads: int) -> InferenceSession:
    """Start a session on the CPU."""
    options = SessionOptions()
    options.intra_op_num_threads = num_threads
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def export_graph(network: nn.Module, example: Tensor, input_name: str) -> bytes:
    """Export a network as an ONNX graph for inputs of the example's shape."""
    with less_said("torch.onnx"), warnings.catch_warnings():  # it warns that torchvision is missing, which is intended
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(network.eval(), (example,), input_names=[input_name], dynamo=True, verbose=False)
    assert program is not None
    graph: bytes = program.model_proto.SerializeToString()
    return graph


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
