"""Two real videos, encoders in the published formats with random weights, and features as they are published."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import avadclip.encoders.weights
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.wav2clip import Wav2Clip, Wav2ClipEncoder
from avadclip.encoders.weight_formats import wav2clip_from_pickle
from avadclip.features.extract import encode_picture, encode_sound
from avadclip.media.audio import SoundReader
from avadclip.media.video import VideoReader
from avadclip.timeline import SnippetGrid

SIZES = {"vision_width": 64, "vision_depth": 2, "vision_heads": 2, "text_width": 8, "text_depth": 1, "text_heads": 2}
NUM_CROPS = 10


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of small networks only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Maker:
    """Extraction by encoders of one's own, with its mistakes; knows nothing of the ways that the command tries."""

    def __init__(self, clip: Clip, wav2clip: Wav2Clip, videos: Path) -> None:
        self.clip, self.wav2clip, self.folder = clip, wav2clip, videos

    def pictures(
        self, *, bgr: bool = False, grid: SnippetGrid | None = None, only: str = "bikes", **options
    ) -> dict[str, np.ndarray]:
        """[K, T, D] by video, of those with such a name."""
        encoder = ClipVisualEncoder(self.clip, **options)
        found = {}
        for path in (path for path in sorted(self.folder.iterdir()) if only in path.name):
            reader = VideoReader(path)
            frames = Swapped(reader) if bgr else reader
            found[path.stem] = encode_picture(frames, path, encoder, grid or SnippetGrid())
        return found

    def sounds(self, lengths: dict[str, int], **options) -> dict[str, np.ndarray]:
        """[T, 512] by video with sound."""
        encoder = Wav2ClipEncoder(self.wav2clip, **options)
        readers = {path.stem: SoundReader(path) for path in self.folder.iterdir()}
        return {
            name: encode_sound(reader, encoder, SnippetGrid(), lengths[name])
            for name, reader in readers.items()
            if reader.has_sound
        }


class Swapped:
    """Frames with red and blue exchanged, as OpenCV reads them."""

    def __init__(self, reader: VideoReader) -> None:
        self._reader = reader

    @property
    def report(self):
        return self._reader.report

    def frames_at(self, times):
        for frame in self._reader.frames_at(times):
            yield np.ascontiguousarray(frame[:, :, [2, 1, 0]])


@pytest.fixture(scope="session")
def videos(sample_videos: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for path in sample_videos:
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def maker(videos: Path, wav2clip_tensors: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Maker:
    generator = torch.Generator().manual_seed(0)
    clip = Clip(ClipConfig(**SIZES, embed_dim=64))
    with torch.no_grad():
        for name, weight in clip.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() > 1:
                weight.copy_(noise * (0.3 if "embedding.weight" in name else weight[0].numel() ** -0.5))
    path = tmp_path_factory.mktemp("weights") / "Wav2CLIP.pt"
    torch.save(wav2clip_tensors, path)
    return Maker(clip, wav2clip_from_pickle(path), videos)


@pytest.fixture(scope="session")
def published(maker: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten crops of every video and its sound, in the published layout: two folders."""
    folder = tmp_path_factory.mktemp("published")
    pictures = maker.pictures(framing="published", num_crops=NUM_CROPS, only="")
    save_pictures(folder / "XDTestClipFeatures", pictures)
    save_sounds(folder / "XDTestClapFeatures", maker.sounds({name: rows.shape[1] for name, rows in pictures.items()}))
    return folder


def save_pictures(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, crops in pictures.items():
        for crop, rows in enumerate(crops):
            np.save(folder / f"{name}__{crop}.npy", rows)
    return folder


def save_sounds(folder: Path, sounds: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in sounds.items():
        np.save(folder / f"{name}.npy", rows)
    return folder


@pytest.fixture
def clip_folder(
    maker: Maker,
    tmp_path: Path,
    make_tokenizer: Callable[[int], Path],
    wav2clip_tensors: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """For `--encoders clip:FOLDER`; CLIP itself, too large to be written and read in a test, is that of `maker`."""
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "model.safetensors").touch()
    shutil.copy(make_tokenizer(49_408), folder)
    torch.save(wav2clip_tensors, folder / "Wav2CLIP.pt")
    monkeypatch.setattr(avadclip.encoders.weights, "load_clip", lambda _: maker.clip)
    return folder


Compare = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(clip_folder: Path, avadclip_command: Callable[..., tuple[int, str, str]]) -> Compare:
    """Runs the command and returns its JSON."""

    def call(
        mine: Path, theirs: Path, *, videos: Path | None = None, encoders: str = f"clip:{clip_folder}"
    ) -> dict[str, Any]:
        options = [] if videos is None else ["--videos", str(videos), "--encoders", encoders, "--offline"]
        found, out, err = avadclip_command("compare-features", str(mine), str(theirs), *options, "--format", "json")
        assert found == 0, err
        return json.loads(out)

    return call
