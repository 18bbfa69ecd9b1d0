from typing import Any

import numpy as np
import pytest

from avadclip.encoders.base import SoundTags
from avadclip.encoders.onnx.manifest import sound_vocabulary
from avadclip.errors import ConfigError
from avadclip.events import EventRules, NamedSound, ScoreTrack, SoundRule
from avadclip.inference.named_sounds import (
    SoundScorer,
    named_sounds,
    parse_sound_rules,
    sound_spans,
    sounds_during,
    sounds_of_class,
    summarise,
)

NAMES = ("Speech", "Glass", "Gunshot, gunfire", "Silence")
VOCABULARY = sound_vocabulary()


def tags_of(**probabilities: list[float]) -> SoundTags:
    """Tags of all four names; a keyword is a name's first word."""
    table = np.zeros((len(next(iter(probabilities.values()))), len(NAMES)), np.float16)
    for word, values in probabilities.items():
        table[:, [name.split(",")[0] for name in NAMES].index(word)] = values
    return SoundTags(NAMES, np.tile(np.arange(len(NAMES), dtype=np.uint16), (len(table), 1)), table)


def seconds(num_snippets: int) -> np.ndarray:
    """Snippets of one second."""
    return np.arange(num_snippets + 1, dtype=np.float64)


def test_a_sound_has_its_stretch_of_time_and_its_highest_probability() -> None:
    tags = tags_of(Glass=[0, 0.25, 0.5, 0, 0, 0, 0.75, 0], Speech=[0.1] * 8)
    assert named_sounds(tags, seconds(8)) == (
        NamedSound(name="Glass", probability=0.5, start=1, end=3),
        NamedSound(name="Glass", probability=0.75, start=6, end=7),
    )


def test_a_sound_that_pauses_for_two_snippets_is_one() -> None:
    (sound,) = named_sounds(tags_of(Speech=[0.5, 0, 0, 0.25]), seconds(4))
    assert (sound.start, sound.end, sound.probability) == (0, 4, 0.5)


def test_silence_is_no_sound() -> None:
    assert named_sounds(tags_of(Silence=[1.0, 1.0]), seconds(2)) == ()


def test_the_sounds_of_an_event_are_those_of_its_snippets_each_once() -> None:
    tags = tags_of(Speech=[0.5, 0.5, 0, 0, 0, 0.25, 0.5], Glass=[0, 0.75, 0, 0, 0, 0, 0])
    found = sounds_during(tags, seconds(7), (1, 6))
    assert found == (
        NamedSound(name="Glass", probability=0.75, start=1, end=2),
        NamedSound(name="Speech", probability=0.5, start=1, end=6),
    )
    assert sounds_during(None, seconds(7), (1, 6)) == ()


def test_the_summary_names_lasting_sounds_then_short_ones_with_their_time() -> None:
    sounds = [
        NamedSound(name="Speech", probability=0.4, start=0, end=60),
        NamedSound(name="Gunshot, gunfire", probability=0.9, start=74, end=75),
        NamedSound(name="Glass", probability=0.3, start=14.6, end=15),
    ]
    assert summarise(sounds, 100.0) == "speech; 0:14 glass; 1:14 gunshot"
    assert summarise([], 100.0) == ""


def test_a_rule_finds_its_sounds_at_its_own_threshold() -> None:
    tags = tags_of(Glass=[0, 0.5, 0, 0, 0], Speech=[0.5, 0, 0, 0, 0.25])
    track = ScoreTrack(np.zeros(5, np.float32), np.full((5, 2), 0.5, np.float32), ("normal", "riot"), 1.0, 5.0)

    def spans(*rule: Any) -> list[tuple[int, int]]:
        return sound_spans(SoundScorer(SoundRule(*rule)).push(tags), SoundRule(*rule), track, EventRules(threshold=0.9))

    assert spans("glass", ("Glass",), 0.5) == [(1, 2)]
    assert spans("either", ("Glass", "Speech"), 0.25) == [(0, 2), (4, 5)]
    assert spans("glass", ("Glass",), 0.75) == []
    assert spans("gone", ("Unheard",), 0.1) == []


def test_a_sudden_sound_counts_above_its_usual_level() -> None:
    tags = tags_of(Glass=[0.5, 0.5, 0.75, 0.25, 0.5, 1.0])
    sudden = SoundScorer(SoundRule("glass", ("Glass",), 0.3, is_sudden=True))
    # Medians of what came before: none, .5, .5, .5, .5, .5.
    assert sudden.push(tags).tolist() == [0.5, 0.0, 0.25, 0.0, 0.0, 0.5]


def test_sudden_sounds_are_scored_alike_at_once_and_one_by_one() -> None:
    probabilities = np.random.default_rng(0).uniform(size=60).astype(np.float16)
    tags, rule = tags_of(Glass=probabilities.tolist()), SoundRule("glass", ("Glass",), 0.3, is_sudden=True)
    one_by_one = SoundScorer(rule)
    found = np.concatenate([one_by_one.push(tags.part(index, index + 1)) for index in range(60)])
    np.testing.assert_array_equal(found, SoundScorer(rule).push(tags))
    usual = np.median(probabilities[40:55].astype(np.float64))
    assert found[55] == pytest.approx(max(float(probabilities[55]) - usual, 0), abs=1e-6)
    assert one_by_one.push(None).tolist() == [0.0]


def parse(*wanted: str) -> tuple[SoundRule, ...]:
    return parse_sound_rules(wanted, VOCABULARY.names, VOCABULARY.default_sounds)


def test_a_sound_is_named_by_its_whole_name_or_a_beginning() -> None:
    assert parse("Gunshot, gunfire=0.4") == (SoundRule("gunshot", ("Gunshot, gunfire",), 0.4),)
    assert parse("theremin=1") == (SoundRule("theremin", ("Theremin",), 1.0),)
    assert parse("vacuum")[0].names == ("Vacuum cleaner",)


def test_the_label_of_a_default_sound_stands_for_all_its_names() -> None:
    (default,) = [rule for rule in VOCABULARY.default_sounds if rule.label == "gunshot"]
    assert parse("gunshot") == (default,)
    assert parse("SHOOTING=0.9")[0].names == default.names


def test_a_sound_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="the sound 'glass' is given twice"):
        parse("Glass=0.5", "glass")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("gunshoot", r"no sound 'gunshoot'; the nearest names are .*[Gg]unshot"),
        ("animal s", r"no sound 'animal s'"),
        ("", "no sound ''"),
        ("Glass=loud", "has the threshold 'loud'; give a number, as in Glass=0.4"),
        ("Glass=0", "threshold of the sound 'glass' is 0.0"),
        ("Glass=1.5", "up to 1"),
        ("Glass=nan", "is nan"),
        ("truck (", r"no sound"),
        ("dr", r"begins the names of several sounds \('Drum kit', .*, \.\.\); give more"),
    ],
)
def test_an_unusable_sound_is_one_line(wanted: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(wanted)
    assert "\n" not in str(caught.value)


def test_a_sound_is_given_once() -> None:
    with pytest.raises(ConfigError, match="'gunshot' is given twice"):
        parse("shooting=0.5", "GUNSHOT")


@pytest.mark.parametrize(
    ("word", "sound"),
    [
        ("explosion", "Explosion"),
        ("Screams", "Screaming"),
        ("shooting", "Machine gun"),
        ("glass breaking", "Shatter"),
        ("dog", "Dog"),
        ("fighting", None),
        ("car accident", None),
    ],
)
def test_class_words_are_mapped_to_sounds_by_name(word: str, sound: str | None) -> None:
    found = sounds_of_class(word, VOCABULARY)
    assert found == () if sound is None else sound in found
