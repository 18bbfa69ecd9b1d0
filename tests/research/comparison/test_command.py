"""`avadclip compare-features` on features that were changed on purpose."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from avadclip.encoders.lite import LiteVisualEncoder
from avadclip.features.extract import encode_picture
from avadclip.media.video import VideoReader
from avadclip.timeline import SnippetGrid

from .conftest import Compare, Maker, Swapped, save_pictures, save_sounds

Command = Callable[..., tuple[int, str, str]]
Pictures = dict[str, np.ndarray]

NUM_SNIPPETS = {"bigbuckbunny": 7}  # of the video with sound
FIRST = {"framing": "published", "num_crops": 1}


def published_rows(published: Path) -> np.ndarray:
    """[1, T, D] of the first crop."""
    return np.load(published / "XDTestClipFeatures" / "bikes__0.npy")[None]


CHANGES: dict[str, Callable[[Maker, Path], Pictures]] = {
    "none": lambda maker, _: maker.pictures(**FIRST),
    "crop": lambda maker, _: {"bikes": maker.pictures(framing="published", num_crops=5)["bikes"][3:4]},
    "shift": lambda _, published: {"bikes": published_rows(published)[:, 1:]},
    "scale": lambda _, published: {
        "bikes": published_rows(published) / np.linalg.norm(published_rows(published), axis=-1, keepdims=True)
    },
    "precision": lambda maker, _: maker.pictures(**FIRST, precision="bf16"),
    "cut": lambda maker, _: maker.pictures(**FIRST, grid=SnippetGrid(16, 30.0)),
    "colour order": lambda maker, _: maker.pictures(**FIRST, bgr=True),
    "framing": lambda maker, _: maker.pictures(framing="centre"),
    "frame of the snippet": lambda maker, _: maker.pictures(**FIRST, frames_per_snippet=4),
}
SEEN_IN_FEATURES = ("none", "crop", "shift", "scale", "precision", "cut")


@pytest.mark.parametrize("change", CHANGES)
def test_features_alone_name_the_cause_or_what_it_may_be(
    change: str, maker: Maker, published: Path, compare: Compare, tmp_path: Path
) -> None:
    found = compare(save_pictures(tmp_path / "mine", CHANGES[change](maker, published)), published)
    (verdict,) = found["verdicts"]
    assert verdict["is_same"] == (change == "none")
    assert verdict["rests_on"] == "features"
    assert verdict["causes"] == [change if change in SEEN_IN_FEATURES else "encoded otherwise"], verdict["words"]
    assert (verdict["causes"] == ["encoded otherwise"]) == ("--videos tells which: framing" in verdict["words"])
    assert {(crop["video"], crop["crop"]) for crop in found["crops"]} == {("bikes", 0)}
    assert found["only_theirs"] == ["XDTestClipFeatures/bigbuckbunny"]


@pytest.mark.parametrize("change", [change for change in CHANGES if change not in {"none", "cut"}])
def test_the_videos_name_the_cause(
    change: str, maker: Maker, published: Path, compare: Compare, tmp_path: Path
) -> None:
    mine = save_pictures(tmp_path / "mine", CHANGES[change](maker, published))
    (verdict,) = compare(mine, published, videos=maker.folder)["verdicts"]
    assert verdict["causes"] == [change], verdict["words"]
    assert verdict["rests_on"] == "videos"


def test_crop_and_shift_are_named_with_their_numbers(published: Path, compare: Compare, tmp_path: Path) -> None:
    """All ten crops in reverse order, and a snippet missing at the start: nothing else differs."""
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in (published / "XDTestClipFeatures").iterdir():
        name, _, crop = path.stem.rpartition("__")
        np.save(mine / f"{name}__{9 - int(crop)}.npy", np.load(path)[1:])
    found = compare(mine, published)
    assert found["verdicts"][0]["causes"] == ["shift", "crop"]
    assert "snippet i of mine is their snippet i +1" in found["verdicts"][0]["words"]
    assert "my crop 0 is their 9, 1 is their 8" in found["verdicts"][0]["words"]
    for crop in found["crops"]:
        assert (crop["their_crop"], crop["shift"]) == (9 - crop["crop"], 1)
        assert crop["num_mine"] == crop["num_theirs"] - 1 == len(crop["cosines"])
        assert crop["lowest_cosine"] == pytest.approx(1, abs=1e-6)
        assert crop["unmoved_cosine"] < 0.9999


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, "none"),
        ({"normalisation": "window"}, "normalisation"),
        ({"window_seconds": SnippetGrid().snippet_seconds}, "window"),
    ],
    ids=["none", "normalisation", "window"],
)
def test_another_preparation_of_the_sound_is_named(
    change: dict[str, object], cause: str, maker: Maker, published: Path, compare: Compare
) -> None:
    mine = save_sounds(published.parent / f"{published.name}-{cause}", maker.sounds(NUM_SNIPPETS, **change))
    theirs = published / "XDTestClapFeatures"
    (alone,) = compare(mine, theirs)["verdicts"]
    assert alone["is_same"] == (cause == "none")
    assert alone["part"] == "rows"  # nothing in these names tells that they hold sound
    (verdict,) = compare(mine, theirs, videos=maker.folder / "bigbuckbunny.mp4")["verdicts"]
    assert verdict["causes"] == [cause], verdict


def test_sound_and_picture_have_a_verdict_each(
    maker: Maker, published: Path, compare: Compare, avadclip_command: Command, tmp_path: Path
) -> None:
    mine = save_pictures(tmp_path / "mine", maker.pictures(**FIRST, bgr=True, only="bigbuckbunny"))
    save_sounds(mine, maker.sounds(NUM_SNIPPETS, normalisation="window"))
    found = compare(mine, published, videos=maker.folder)
    assert [(each["part"], each["words"]) for each in found["verdicts"]] == [
        ("picture", "colour order: mine BGR, theirs RGB"),
        ("sound", "normalisation: mine over each window, theirs over the recording"),
    ]
    code, out, _ = avadclip_command("compare-features", str(mine), str(published))
    assert code == 0
    assert "picture: NOT the same\nlikely cause: the same videos, encoded otherwise; --videos tells which" in out
    assert "evidence (the features alone):" in out


def test_features_of_avadclip_extract_with_real_weights(
    maker: Maker, compare: Compare, avadclip_command: Command, tmp_path: Path
) -> None:
    """`lite`, whose weights are here, through both commands; theirs has red and blue exchanged."""
    video = maker.folder / "bikes.mp4"
    code, _, err = avadclip_command("extract", str(video), "--out", str(tmp_path / "mine"), "--encoders", "lite-1")
    assert code == 0, err
    encoder = LiteVisualEncoder()
    frames = Swapped(VideoReader(video, frame_size=encoder.frame_size))
    theirs = save_pictures(tmp_path / "theirs", {"bikes": encode_picture(frames, video, encoder, SnippetGrid())})
    (verdict,) = compare(tmp_path / "mine", theirs, videos=video, encoders="lite")["verdicts"]
    assert verdict["causes"] == ["colour order"]
    assert "colour order: mine RGB, theirs BGR" in verdict["words"]


def test_a_re_encoded_video_does_not_change_the_cause(
    maker: Maker, published: Path, compare: Compare, tmp_path: Path
) -> None:
    """Whoever downloads the videos today gets other files than the authors had."""
    copies = tmp_path / "copies"
    copies.mkdir()
    re_encode(maker.folder / "bikes.mp4", copies / "bikes.mp4")
    mine = save_pictures(tmp_path / "mine", Maker(maker.clip, maker.wav2clip, copies).pictures(**FIRST, bgr=True))
    (verdict,) = compare(mine, published, videos=copies)["verdicts"]
    assert verdict["causes"] == ["colour order"], verdict


def re_encode(source: Path, target: Path) -> None:
    with av.open(str(source)) as read, av.open(str(target), "w") as write:
        picture = read.streams.video[0]
        stream = write.add_stream("mpeg4", rate=picture.average_rate, bit_rate=1_500_000)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        for frame in read.decode(picture):
            write.mux(stream.encode(frame))
        write.mux(stream.encode(None))


def test_other_weights_are_not_mistaken_for_another_way(
    maker: Maker, published: Path, compare: Compare, tmp_path: Path
) -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0].astype(np.float32)
    mine = save_pictures(tmp_path / "mine", {"bikes": published_rows(published) @ turn})
    (verdict,) = compare(mine, published, videos=maker.folder)["verdicts"]
    assert (verdict["causes"], verdict["rests_on"]) == (["unrelated"], "features")
    assert any("none of the ways made mine: another encoder" in line for line in verdict["evidence"])
