from pathlib import Path

import numpy as np
import pytest

import avadclip.data.damaged_videos
from avadclip.data.damaged_videos import Donor, extract_damaged, keep_damaged
from avadclip.errors import FeatureError
from avadclip.features.batch import extract_to_folder
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import read_features
from avadclip.media.damage import DAMAGES


@pytest.fixture
def clip(tmp_path: Path, write_clip) -> Path:
    return write_clip(tmp_path / "yard.mkv", num_frames=96)


@pytest.fixture
def clean(tmp_path: Path, clip: Path, fake_encoders) -> SnippetFeatures:
    (outcome,) = extract_to_folder([clip], tmp_path / "clean", fake_encoders())
    return read_features(outcome.feature_file)


@pytest.fixture
def donor(tmp_path: Path, write_clip, fake_encoders) -> Donor:
    path = write_clip(tmp_path / "hall.mkv", num_frames=48)
    (outcome,) = extract_to_folder([path], tmp_path / "clean", fake_encoders())
    return Donor(path, read_features(outcome.feature_file))


@pytest.fixture
def extractions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Damages that were really done."""
    done: list[str] = []
    extract = avadclip.data.damaged_videos.extract_damaged

    def counted(path: Path, encoders: object, damage: str, **options: object) -> object:
        done.append(damage)
        return extract(path, encoders, damage, **options)

    monkeypatch.setattr(avadclip.data.damaged_videos, "extract_damaged", counted)
    return done


@pytest.mark.parametrize("damage", DAMAGES)
def test_only_what_is_damaged_is_encoded_again(
    clip: Path, clean: SnippetFeatures, donor: Donor, fake_encoders, damage: str
) -> None:
    encoders = fake_encoders()
    features = extract_damaged(clip, encoders, damage, clean=clean, donor=donor)
    is_picture = damage in ("black", "dark", "half covered")
    assert bool(encoders.visual.calls) == is_picture
    assert np.array_equal(features.visual, clean.visual) == (not is_picture)
    assert np.array_equal(features.audio, clean.audio) == is_picture
    assert features.sound_is_silent == (damage == "muted")


def test_the_encoders_get_what_the_damage_leaves(
    clip: Path, clean: SnippetFeatures, donor: Donor, fake_encoders
) -> None:
    def of(damage: str) -> SnippetFeatures:
        return extract_damaged(clip, fake_encoders(), damage, clean=clean, donor=donor)

    # The encoder gives the mean colour of the picture, and the mean power of half a second of sound.
    assert not of("black").visual.any()
    np.testing.assert_allclose(of("dark").visual, clean.visual / 5, atol=0.6)
    np.testing.assert_allclose(of("half covered").visual, clean.visual / 2, atol=0.01)
    assert not of("muted").audio.any()
    np.testing.assert_allclose(of("late").audio[3:], clean.audio[:-3], rtol=1e-3)  # 2 s are three snippets
    np.testing.assert_allclose(of("foreign").audio, np.tile(donor.clean.audio, (2, 1)), rtol=0.01)
    power = 0.25 * (0.2**2 + 0.8**2)  # of a tone whose second half is louder
    np.testing.assert_allclose(of("noisy").audio - clean.audio, power, rtol=0.15)


def test_a_kept_file_is_read_and_not_made_again(
    tmp_path: Path, clip: Path, clean: SnippetFeatures, fake_encoders, extractions: list[str]
) -> None:
    target = tmp_path / "dark" / "yard.safetensors"
    first = keep_damaged(target, clip, fake_encoders(), "dark", clean=clean)
    again = keep_damaged(target, clip, fake_encoders(), "dark", clean=clean)
    assert extractions == ["dark"]
    np.testing.assert_array_equal(first.visual, again.visual)
    assert again.provenance == first.provenance


def test_a_file_of_another_damage_content_or_donor_is_made_again(
    clip: Path, clean: SnippetFeatures, donor: Donor, fake_encoders, extractions: list[str]
) -> None:
    target = clip.with_name("kept.safetensors")
    own = Donor(clip, clean)
    keep_damaged(target, clip, fake_encoders(), "dark", clean=clean)
    keep_damaged(target, clip, fake_encoders(), "black", clean=clean)
    keep_damaged(target, clip, fake_encoders(), "foreign", clean=clean, donor=donor)
    keep_damaged(target, clip, fake_encoders(), "foreign", clean=clean, donor=own)
    keep_damaged(target, donor.path, fake_encoders(), "foreign", clean=donor.clean, donor=own)
    target.write_bytes(target.read_bytes()[:-8])
    keep_damaged(target, donor.path, fake_encoders(), "foreign", clean=donor.clean, donor=own)
    assert extractions == ["dark", "black", "foreign", "foreign", "foreign", "foreign"]


def test_damaged_and_clean_features_are_never_taken_for_each_other(
    tmp_path: Path, clip: Path, clean: SnippetFeatures, fake_encoders
) -> None:
    target = tmp_path / "features" / "yard.safetensors"
    damaged = keep_damaged(target, clip, fake_encoders(), "dark", clean=clean)
    assert damaged.provenance.difference(clean.provenance) == "damage is dark, needed none"
    assert clean.provenance.difference(damaged.provenance) == "damage is none, needed dark"
    (outcome,) = extract_to_folder([clip], target.parent, fake_encoders())
    assert outcome.status == "done"  # not kept: what lay there was no clean file
    np.testing.assert_array_equal(read_features(target).visual, clean.visual)


def test_a_video_without_sound_has_no_sound_to_damage(tmp_path: Path, write_clip, fake_encoders) -> None:
    path = write_clip(tmp_path / "still.mkv", sound=None)
    (outcome,) = extract_to_folder([path], tmp_path / "clean", fake_encoders())
    features = extract_damaged(path, fake_encoders(), "noisy", clean=read_features(outcome.feature_file))
    assert features.audio is None
    assert features.provenance.damage["name"] == "noisy"


def test_features_made_otherwise_are_one_line(
    tmp_path: Path, clip: Path, clean: SnippetFeatures, fake_encoders
) -> None:
    target = tmp_path / "yard.safetensors"
    with pytest.raises(FeatureError, match=r"do not match \(visual encoder: frame_offsets is \[0\]"):
        keep_damaged(target, clip, fake_encoders(frame_offsets=(0,)), "dark", clean=clean)
    published = SnippetFeatures(clean.visual, clean.audio, clean.duration_seconds, provenance=None)
    with pytest.raises(FeatureError, match="have no provenance"):
        keep_damaged(target, clip, fake_encoders(), "dark", clean=published)
    assert not target.exists()


def test_another_video_of_the_name_is_one_line(
    tmp_path: Path, clean: SnippetFeatures, donor: Donor, fake_encoders
) -> None:
    target = tmp_path / "yard.safetensors"
    with pytest.raises(FeatureError, match="has changed since its features were extracted"):
        keep_damaged(target, donor.path, fake_encoders(), "dark", clean=clean)
    assert not target.exists()
