"""CLIP's vision tower in 8 bits on ONNX Runtime.

Weights are quantised once, the inputs of every product at run time (so no calibration data is needed) with one scale
per image: a run processes one image, and its features do not depend on its neighbours. As many images run in parallel
as torch has threads.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avadclip.encoders.clip import Clip
from avadclip.encoders.onnx.graph import cached_session, export_graph, less_said
from avadclip.encoders.preprocess import normalise_pixels

GRAPH_VERSION = 3  # in the cached file's name; increased with every change of the exported graph


class Int8Pictures:
    """Vision tower in 8 bits, see precision.PictureNetwork.

    Args:
        clip: in float32.
        weights_sha256: hash of the vision tower and its projection.
    """

    def __init__(self, clip: Clip, weights_sha256: str) -> None:
        file_name = f"clip-picture-int8-{GRAPH_VERSION}-{weights_sha256[:16]}.onnx"
        self._dim = clip.config.embed_dim
        self._session = cached_session(file_name, lambda: _quantised(clip), num_threads=1)
        self._threads = ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="avadclip-int8")

    def __call__(self, crops: Tensor) -> Tensor:
        """Crops [N, 3, S, S], uint8, to features [N, embed_dim]."""
        rows = list(self._threads.map(self._encode_one, crops[:, None].numpy()))
        return torch.from_numpy(np.concatenate([np.empty((0, self._dim), np.float32), *rows]))

    def _encode_one(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: list[NDArray[np.float32]] = self._session.run(None, {"crops": crop})
        return features[0]


class _FromCrops(nn.Module):
    """Crops [1, 3, S, S], uint8, to features [1, embed_dim]."""

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.tower = clip.vision_model
        self.projection = clip.visual_projection

    def forward(self, crops: Tensor) -> Tensor:
        features: Tensor = self.projection(self.tower(normalise_pixels(crops), lean=True))
        return features


def _quantised(clip: Clip) -> bytes:
    """Export the graph with 8-bit weights of matrix products; products of two activations stay in float32."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    size = clip.config.image_size
    graph = export_graph(_FromCrops(clip), torch.zeros(1, 3, size, size, dtype=torch.uint8), "crops")
    with tempfile.TemporaryDirectory() as folder, less_said(None):  # it recommends a step that has no effect here
        target = Path(folder) / "int8.onnx"
        quantize_dynamic(
            onnx.load_model_from_string(graph),
            target,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            reduce_range=True,  # 7-bit weights: processors without VNNI add two products in 16 bits, and 8 overflow
            extra_options={"MatMulConstBOnly": True},
        )
        return target.read_bytes()
