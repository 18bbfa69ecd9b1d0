"""Networks on ONNX Runtime, on the CPU: exported once per machine and kept in the user's cache."""

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
    """A session of the graph in the user's cache, which is made now (some seconds) where it is not there.

    Args:
        file_name: in the cache; names everything that the graph depends on.
        make_graph: exports the network.
        num_threads: that one run may use.
    """
    cached = user_cache_path("avadclip") / file_name
    if cached.is_file():
        with suppress(Exception):  # a damaged file is made again; ONNX Runtime has an exception for each way to fail
            return start_session(cached.read_bytes(), num_threads)
    graph = make_graph()
    try:
        write_atomically(cached, graph)
    except OSError as error:
        logging.getLogger(__name__).info("%s cannot be written (%s); the next start exports it again", cached, error)
    return start_session(graph, num_threads)


def start_session(graph: bytes, num_threads: int) -> InferenceSession:
    """A session on the CPU."""
    options = SessionOptions()
    options.intra_op_num_threads = num_threads
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def export_graph(network: nn.Module, example: Tensor, input_name: str) -> bytes:
    """The network as an ONNX graph for inputs of the example's shape."""
    with less_said("torch.onnx"), warnings.catch_warnings():  # it warns that torchvision is missing, as it should be
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(network.eval(), (example,), input_names=[input_name], dynamo=True, verbose=False)
    assert program is not None
    graph: bytes = program.model_proto.SerializeToString()
    return graph


@contextmanager
def less_said(logger_name: str | None) -> Iterator[None]:
    """Only errors from a library's logger while the block runs; None is the root's."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
