from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avadclip.data.published.survey import Survey, survey_benchmark
from avadclip.data.published.xd_violence import XD_VIOLENCE
from avadclip.errors import DataError

from ..published_xd import TEST, TRAIN, rows, write_video

TRAINED, FILM = "v=abc__#1_label_G", "Film.C.2003__#00-01-00_00-01-20_label_B2-G-0"
NORMAL = "Film.C.2003__#00-05-00_00-05-20_label_A"


def survey(folder: Path) -> Survey:
    return survey_benchmark(XD_VIOLENCE, [folder])


def of_train(folder: Path, name: str, crop: int) -> Path:
    return folder / "XDTrainClipFeatures" / f"{name}__{crop}.npy"


def sound_of_train(folder: Path, name: str) -> Path:
    return folder / "XDTrainClapFeatures" / f"{name}.npy"


def swap(one: Path, other: Path) -> None:
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


BROKEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing video": (
        lambda xd: [of_train(xd, TRAINED, crop).unlink() for crop in range(3)],
        "missing",
        f"{TRAINED} has no feature file",
    ),
    "missing crop": (
        lambda xd: of_train(xd, TRAINED, 1).unlink(),
        "crop",
        f"{TRAINED} has no crop 1 ({TRAINED}__1.npy)",
    ),
    "missing audio": (
        lambda xd: sound_of_train(xd, TRAINED).unlink(),
        "sound",
        f"{TRAINED} has no audio file ({TRAINED}.npy), others have",
    ),
    "cut short": (lambda xd: cut(of_train(xd, TRAINED, 2)), "unreadable", f"{TRAINED}__2.npy cannot be read"),
    "no array": (
        lambda xd: of_train(xd, TRAINED, 2).write_text("hello"),
        "unreadable",
        f"{TRAINED}__2.npy cannot be read as a .npy array",
    ),
    "no rows": (
        lambda xd: write_video(xd, TRAINED, 0),
        "empty",
        f"{TRAINED} has features of no snippet",
    ),
    "extra row in a crop": (
        lambda xd: np.save(of_train(xd, TRAINED, 2), rows(TRAINED, 301)),
        "length",
        f"{TRAINED} has 301 rows of 8 in crop 2, 300 of 8 in crop 0",
    ),
    "sound of another video": (
        lambda xd: swap(sound_of_train(xd, TRAINED), sound_of_train(xd, "v=def__#1_label_A")),
        "length",
        f"{TRAINED} has 5 audio rows for 300 visual snippets",
    ),
    "another width": (
        lambda xd: [np.save(of_train(xd, TRAINED, crop), np.zeros((300, 5), np.float32)) for crop in range(3)],
        "unlike",
        f"{TRAINED} does not fit Film.A.1999__#00-01-00_00-01-20_label_B1-0-0: 5 visual channels, needed 8",
    ),
    "two sets": (
        lambda xd: np.save(xd / f"{TRAINED}__0.npy", rows(TRAINED, 300)),
        "double",
        f"{TRAINED} has more than one set of features",
    ),
}


@pytest.mark.parametrize(("spoil", "kind", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_named_with_its_video(xd, spoil, kind, message):
    assert survey(xd).train.is_usable
    spoil(xd)
    split = survey(xd).train
    assert {problem.kind for problem in split.problems} == {kind}
    found = next(problem for problem in split.problems if problem.video == TRAINED)
    assert message in found.message
    assert "\n" not in found.message
    assert not split.is_usable
    assert TRAINED not in [video.listed.name for video in split.ready]
    assert survey(xd).test.is_usable


def test_swapped_names_are_recognised_by_their_lengths(xd):
    folder = xd / "XDTestClipFeatures"
    for pair in ("XDTestClipFeatures/{}__0.npy", "XDTestClapFeatures/{}.npy"):
        swap(xd / pair.format(FILM), xd / pair.format(NORMAL))
    assert folder.is_dir()
    messages = {problem.video: problem.message for problem in survey(xd).test.problems}
    assert messages == {
        FILM: f"{FILM} has 20 snippets, its 480 frames make 30; as {NORMAL} should have: are their names swapped?",
        NORMAL: f"{NORMAL} has 30 snippets, its 320 frames make 20; as {FILM} should have: are their names swapped?",
    }


def test_one_snippet_more_is_tolerated_with_a_note_and_two_are_not(xd):
    write_video(xd, FILM, 31, crops=range(1), split="Test")
    found = survey(xd)
    assert found.test.is_usable
    assert found.lengths.off_by_one == (FILM,)
    write_video(xd, FILM, 32, crops=range(1), split="Test")
    assert [problem.kind for problem in survey(xd).test.problems] == ["length"]


def test_without_frame_counts_an_event_after_the_end_reveals_a_wrong_file(xd):
    (xd / "test_frame_counts.txt").unlink()
    assert survey(xd).lengths is None
    write_video(xd, FILM, 5, crops=range(1), split="Test")
    (problem,) = survey(xd).test.problems
    assert "has 5 snippets, which end before frame 151" in problem.message


def test_the_i3d_convention_is_recognised(xd):
    for name, num_frames in TEST.items():
        write_video(xd, name, (num_frames - 1) // 16, crops=range(1), split="Test")
    assert survey(xd).lengths.convention == "i3d"


def test_annotations_and_lists_have_to_be_of_the_same_videos(xd):
    (xd / "annotations.txt").write_text(f"{FILM} 10 20\n")
    (xd / "annotations_multiclasses.txt").write_text(f"{FILM} G 10 20\n")
    (problem,) = survey(xd).test.problems
    assert problem.message == "v=ghi__#1_label_B1-0-0 is anomalous, but has no times; download the annotations again"
    (xd / "annotations.txt").write_text("stranger 10 20\n")
    (xd / "annotations_multiclasses.txt").write_text("stranger G 10 20\n")
    with pytest.raises(DataError, match=r"stranger is annotated, but not in .*test_videos.csv"):
        survey(xd)


def test_without_annotations_there_is_no_test(xd):
    (xd / "annotations_multiclasses.txt").unlink()
    found = survey(xd)
    assert (
        found.test.why_not == "it needs annotations.txt and annotations_multiclasses.txt, with the times of its events"
    )
    assert found.train.is_usable


def test_a_video_in_both_lists_is_refused(xd):
    (xd / "train_videos.csv").write_text((xd / "test_videos.csv").read_text())
    with pytest.raises(DataError, match=r"is in .*train_videos.csv and in .*test_videos.csv"):
        survey(xd)


def test_files_that_no_list_names_are_counted_not_used(xd):
    np.save(xd / "XDTrainClipFeatures" / "stranger__0.npy", rows("stranger", 4))
    found = survey(xd)
    assert [path.name for path in found.extra] == ["stranger__0.npy"]
    assert len(found.train.ready) == len(TRAIN)


def test_two_lists_that_differ_are_refused_two_copies_are_not(xd):
    copy = xd / "list" / "annotations.txt"
    copy.parent.mkdir()
    copy.write_bytes((xd / "annotations.txt").read_bytes())
    assert survey(xd).test.is_usable
    copy.write_text("other 1 2\n")
    with pytest.raises(DataError, match=r"annotations.txt and .*annotations.txt differ"):
        survey(xd)
