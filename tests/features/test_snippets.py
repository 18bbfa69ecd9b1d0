import dataclasses

import pytest

from avadclip.features.snippets import Provenance
from avadclip.timeline import SnippetGrid


@pytest.fixture
def provenance(made_features) -> Provenance:
    return made_features().provenance


def test_equal_provenances_do_not_differ(provenance: Provenance) -> None:
    assert provenance.difference(provenance) is None
    assert provenance.difference(Provenance.model_validate_json(provenance.model_dump_json())) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"grid": SnippetGrid(snippet_frames=4)}, "snippet grid: snippet_frames is 4, needed 16"),
        ({"grid": SnippetGrid(frame_rate_hz=30.0)}, "snippet grid: frame_rate_hz is 30.0, needed 24.0"),
        ({"visual": {"name": "other"}}, "visual encoder: frame_offsets is None, needed [0, 8]"),
        ({"audio": {"name": "loudness", "window_seconds": 1.0, "version": 1}}, "audio encoder: window_seconds is 1.0"),
    ],
)
def test_the_first_difference_is_given_as_found_and_needed(
    provenance: Provenance, changes: dict, expected: str
) -> None:
    found = provenance.model_copy(update=changes).difference(provenance)
    assert found is not None
    assert found.startswith(expected)


def test_features_without_sound_fit_a_model_that_uses_audio(provenance: Provenance) -> None:
    assert provenance.model_copy(update={"audio": None}).difference(provenance) is None


def test_length_and_usable_sound(made_features) -> None:
    features = made_features(7, crops=2)
    assert len(features) == 7
    assert features.has_usable_sound
    assert not dataclasses.replace(features, sound_is_silent=True).has_usable_sound
    assert not made_features(sound=False).has_usable_sound
