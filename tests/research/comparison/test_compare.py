"""Which files are compared, and what is refused; rows made up."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avadclip.errors import DataError
from avadclip.research.comparison.agreement import agree, correlation
from avadclip.research.comparison.compare import compare_features
from avadclip.research.comparison.search import fit

Command = Callable[..., tuple[int, str, str]]


def rows(seed: int, num_snippets: int = 20, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_snippets, width)).astype(np.float32)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


def test_two_files_are_compared_whatever_their_names(tmp_path: Path) -> None:
    mine, theirs = save(tmp_path / "a.npy", rows(0)), save(tmp_path / "b__0.npy", rows(0))
    found = compare_features(mine, theirs)
    assert [(each.part, each.causes) for each in found.verdicts] == [("picture", ("none",))]


def test_a_file_without_a_crop_is_what_the_other_side_has(tmp_path: Path) -> None:
    """Picture and sound of one width: rows without a name for it are compared with what they are like."""
    save(tmp_path / "theirs" / "clip" / "v__0.npy", rows(0))
    save(tmp_path / "theirs" / "sound" / "v.npy", rows(1))
    for seed, part in ((0, "picture"), (1, "sound")):
        mine = save(tmp_path / part / "v.npy", rows(seed))
        (verdict,) = compare_features(mine.parent, tmp_path / "theirs").verdicts
        assert (verdict.part, verdict.is_same) == (part, True)


def test_crops_in_one_file_are_told_apart(tmp_path: Path) -> None:
    crops = np.stack([rows(seed) for seed in range(10)])
    for crop, each in enumerate(crops):
        save(tmp_path / "theirs" / f"v__{crop}.npy", each)
    for name, array in {"first": crops, "second": crops.transpose(1, 0, 2)}.items():
        mine = save(tmp_path / name / "v.npy", array)
        found = compare_features(mine.parent, tmp_path / "theirs")
        assert [crop.their_crop for crop in found.crops] == list(range(10))
        assert found.verdicts[0].is_same


def test_one_snippet_more_is_normal_and_names_are_spelt_in_any_way(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "Abuse" / "ABUSE001_x264__0.npy", rows(0, 21))
    save(tmp_path / "theirs" / "Abuse001_x264__0.npy", rows(0, 21)[:20])
    (verdict,) = compare_features(tmp_path / "mine", tmp_path / "theirs").verdicts
    assert verdict.is_same
    assert "lengths: 0 of 1 equal, 1 differ by one snippet, which is normal" in verdict.evidence


def test_another_width_is_another_encoder(tmp_path: Path) -> None:
    mine, theirs = save(tmp_path / "m" / "v__0.npy", rows(0)), save(tmp_path / "t" / "v__0.npy", rows(0, width=8))
    (verdict,) = compare_features(mine, theirs).verdicts
    assert verdict.causes == ("width",)


def test_one_shifted_video_among_several_is_named_but_is_not_the_cause(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / "mine" / f"v{seed}__0.npy", rows(seed)[1:] if seed == 2 else rows(seed))
        save(tmp_path / "theirs" / f"v{seed}__0.npy", rows(seed))
    found = compare_features(tmp_path / "mine", tmp_path / "theirs")
    assert [crop.shift for crop in found.crops] == [0, 0, 1, 0]
    assert found.verdicts[0].causes == ("none",)
    assert "shifted by a snippet in 1 of 4 videos, such as v2" in found.verdicts[0].evidence


def test_what_cannot_be_read_is_an_error_of_its_video(tmp_path: Path, avadclip_command: Command) -> None:
    for name in ("good", "bad", "nan"):
        save(tmp_path / "mine" / f"{name}__0.npy", rows(0))
        save(tmp_path / "theirs" / f"{name}__0.npy", rows(0))
    (tmp_path / "mine" / "bad__0.npy").write_bytes(b"nothing")
    save(tmp_path / "mine" / "nan__0.npy", np.full((20, 16), np.nan, np.float32))
    code, out, err = avadclip_command("compare-features", str(tmp_path / "mine"), str(tmp_path / "theirs"))
    assert code == 3
    assert len(err.splitlines()) == 2
    assert "bad__0.npy cannot be read" in err
    assert "nan: mine has no rows, or numbers that are not finite" in err
    assert "picture: the same" in out


@pytest.mark.parametrize(
    ("mine", "theirs", "message"),
    [("nowhere", "theirs", "does not exist"), ("empty", "theirs", "no feature file"), ("other", "theirs", "no video")],
)
def test_nothing_to_compare_is_one_line(tmp_path: Path, mine: str, theirs: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    for number in (0, 1):
        save(tmp_path / "other" / f"a{number}__0.npy", rows(0))
        save(tmp_path / "theirs" / f"v{number}__0.npy", rows(0))
    with pytest.raises(DataError, match=message):
        compare_features(tmp_path / mine, tmp_path / theirs)


def test_a_still_video_has_no_shift() -> None:
    still = np.repeat(rows(0, 1), 9, axis=0)
    found = agree(still, 0, {0: still})
    assert (found.their_crop, found.shift, len(found.cosines)) == (0, 0, 9)


def test_a_still_video_in_another_precision_is_a_small_difference(tmp_path: Path) -> None:
    """Its rows differ by noise alone, so that nothing correlates."""
    still, noise = np.repeat(rows(0, 1), 20, axis=0), 0.01 * rows(1)
    mine, theirs = save(tmp_path / "m.npy", still + noise), save(tmp_path / "t__0.npy", still)
    (verdict,) = compare_features(mine, theirs).verdicts
    assert verdict.causes == ("small difference",)


def test_correlation_of_many_videos_is_that_of_their_rows_together() -> None:
    mine, theirs = rows(0, 30) + 3, rows(1, 30) + rows(0, 30) + 3
    parts = [agree(mine[start : start + 10], 0, {0: theirs[start : start + 10]}).moments for start in (0, 10, 20)]
    units = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (mine.astype(float), theirs.astype(float))]
    centred = [(each - each.mean(axis=0)).ravel() for each in units]
    assert correlation(parts) == pytest.approx(np.corrcoef(*centred)[0, 1], abs=1e-9)


def test_the_search_finds_values_that_depend_on_each_other() -> None:
    """With the usual colour the wrong framing looks nearest; only with the right colour the right one does."""
    nearness = {("a", "x"): 0.5, ("b", "x"): 0.6, ("a", "y"): 0.999, ("b", "y"): 0.7}
    found = fit({"framing": ("a", "b"), "colour": ("x", "y")}, lambda way: nearness[way["framing"], way["colour"]])
    assert (dict(found.way), found.is_found) == ({"framing": "a", "colour": "y"}, True)
    assert found.clear == {"framing", "colour"}
    flat = fit({"framing": ("a", "b")}, lambda _: 0.99)
    assert (flat.clear, flat.is_found) == (frozenset(), False)
