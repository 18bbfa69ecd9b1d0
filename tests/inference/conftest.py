from pathlib import Path

import av
import pytest

from ..features.conftest import _write_clip  # noqa: F401  a fixture


@pytest.fixture(scope="session")
def short_clip(sample_videos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two seconds of bigbuckbunny.mp4, packets as they are."""
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    with av.open(str(sample_videos[0])) as source, av.open(str(path), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.dts * packet.time_base < 2.0:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return path
