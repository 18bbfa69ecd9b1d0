import itertools
from pathlib import Path

import numpy as np

from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.features.extract import encode_picture
from avadclip.media.video import VideoReader
from avadclip.research.speed.reference import extract_naively
from avadclip.timeline import SnippetGrid


def test_naive_reference_matches_our_features(footage: Path, small_clip: Clip) -> None:
    encoder, grid = ClipVisualEncoder(small_clip), SnippetGrid()
    ours = encode_picture(VideoReader(footage), footage, encoder, grid)[0]
    times = list(itertools.islice(grid.frame_times(encoder.frame_offsets), len(ours)))
    naive = extract_naively(footage, small_clip, times)
    assert naive.shape == ours.shape == (4, 8)
    # OpenCV turns YUV to RGB by coarser arithmetic: some grey levels, and no other frame, lie between the two.
    assert np.abs(naive - ours).max() < 0.2 * np.abs(ours[1:] - ours[:-1]).max() + 0.05
