from pathlib import Path

import numpy as np
import pytest

from avadclip.data.composed.dataset import ComposedPlan
from avadclip.data.composed.plan import Foreground, SequencePlan, SoundDamaged
from avadclip.data.composed.sound import loud_part, read_samples, render_sound, rms
from avadclip.errors import MediaError

RATE_HZ = 16_000
SNIPPET = RATE_HZ * 2 // 3
LEVEL_TOLERANCE_DB = 0.1


def level(samples: np.ndarray) -> float:
    return 20 * np.log10(rms(samples))


def stretch(samples: np.ndarray, start: int, end: int) -> np.ndarray:
    return samples[round(start * RATE_HZ * 2 / 3) : round(end * RATE_HZ * 2 / 3)]


@pytest.fixture(scope="module")
def by_label(planned: ComposedPlan) -> dict[str, str]:
    """The hash of one recording of every label."""
    return {recording.label: name for name, recording in planned.recordings.items()}


@pytest.fixture
def plain(by_label: dict[str, str]) -> SequencePlan:
    """Twelve snippets of background."""
    return SequencePlan("plain", (0, 0, 0), 12, (), by_label["rain"], -34.0, (), (), None, None)


def test_the_background_has_its_level(planned: ComposedPlan, plain: SequencePlan) -> None:
    samples = render_sound(plain, planned.recordings)
    assert len(samples) == 8 * RATE_HZ  # twice as long as the recording
    assert level(samples) == pytest.approx(-34.0, abs=LEVEL_TOLERANCE_DB)


@pytest.mark.parametrize("label", ["gunshot", "siren", "thunder"])
@pytest.mark.parametrize("above_db", [-5.0, 8.0, 20.0])
def test_an_event_is_as_far_above_the_background_as_planned_and_in_its_place(
    planned: ComposedPlan, plain: SequencePlan, by_label: dict[str, str], label: str, above_db: float
) -> None:
    plan = plain._replace(foregrounds=(Foreground(by_label[label], 0.5, above_db, 3, 7),))
    background, mixed = render_sound(plain, planned.recordings), render_sound(plan, planned.recordings)
    added = mixed - background
    assert level(stretch(added, 3, 7)) - level(background) == pytest.approx(above_db, abs=LEVEL_TOLERANCE_DB)
    assert not stretch(added, 0, 3).any()
    assert not stretch(added, 7, 12).any()


def test_a_short_shot_fills_its_window_without_silence(
    planned: ComposedPlan, plain: SequencePlan, by_label: dict[str, str]
) -> None:
    recording = read_samples(planned.recordings[by_label["gunshot"]].path)
    assert 0.5 <= len(loud_part(recording)) / RATE_HZ <= 0.6  # of 4 s
    plan = plain._replace(foregrounds=(Foreground(by_label["gunshot"], 0.5, 20.0, 3, 7),))
    added = stretch(render_sound(plan, planned.recordings) - render_sound(plain, planned.recordings), 3, 7)
    blocks = added[: len(added) // 800 * 800].reshape(-1, 800)
    assert min(level(block) for block in blocks) > level(added) - 12


def test_the_loud_part_is_the_loudest_of_several() -> None:
    samples = np.zeros(3 * RATE_HZ, dtype=np.float32)
    samples[4000:8000], samples[24_000:32_000] = 0.1, 0.5
    assert loud_part(samples).tolist() == [0.5] * 8000


def test_missing_sound_is_silence_where_it_is_missing(planned: ComposedPlan, plain: SequencePlan) -> None:
    samples = render_sound(plain._replace(sound_damage=SoundDamaged("missing", "", 2, 5)), planned.recordings)
    assert not stretch(samples, 2, 5).any()
    assert (stretch(samples, 5, 12) == stretch(render_sound(plain, planned.recordings), 5, 12)).all()


def test_noise_is_as_strong_as_the_sound_and_only_where_it_is_noisy(planned: ComposedPlan, plain: SequencePlan) -> None:
    clear = render_sound(plain, planned.recordings)
    samples = render_sound(plain._replace(sound_damage=SoundDamaged("noisy", "", 2, 5)), planned.recordings)
    noise = samples - clear
    assert level(stretch(noise, 2, 5)) == pytest.approx(level(stretch(clear, 2, 5)), abs=LEVEL_TOLERANCE_DB)
    assert not stretch(noise, 0, 2).any()
    assert not stretch(noise, 5, 12).any()


def test_foreign_sound_replaces_the_own_at_its_level(
    planned: ComposedPlan, plain: SequencePlan, by_label: dict[str, str]
) -> None:
    clear = render_sound(plain, planned.recordings)
    damage = SoundDamaged("foreign", by_label["thunder"], 2, 5)
    samples = render_sound(plain._replace(sound_damage=damage), planned.recordings)
    donor = read_samples(planned.recordings[by_label["thunder"]].path)
    found = stretch(samples, 2, 5)
    assert np.corrcoef(found, donor[: len(found)])[0, 1] > 0.999
    assert level(found) == pytest.approx(level(stretch(clear, 2, 5)), abs=LEVEL_TOLERANCE_DB)


def test_samples_are_those_of_16_bits(planned: ComposedPlan) -> None:
    loudest = max(planned.sequences["train"], key=lambda plan: max([each.above_db for each in plan.foregrounds] or [0]))
    samples = render_sound(loudest, planned.recordings)
    assert (samples * 2**15 == np.rint(samples * 2**15)).all()
    assert samples.min() >= -1
    assert samples.max() < 1


def test_a_file_without_sound_is_refused(planned: ComposedPlan, by_label: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    for path in (broken, planned.recordings[by_label["yard"]].path):
        with pytest.raises(MediaError, match="has no readable sound"):
            read_samples(path)
