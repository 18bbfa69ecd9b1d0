import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avadclip.apps.live.causal import STEADY_SNIPPETS, CausalScorer
from avadclip.apps.live.config import ScoringConfig
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.detector import Detector

levels = st.lists(st.floats(0, 1), min_size=1, max_size=14)


def run(detector, snippets, **config):
    scorer = CausalScorer(detector, ScoringConfig(**config))
    judged = [judgement for snippet in snippets for judgement in scorer.push(snippet)]
    return judged, scorer.finish()


@settings(max_examples=25)
@given(past=levels, one=levels, other=levels)
def test_no_score_depends_on_what_comes_later(detector, make_snippet, past, one, other) -> None:
    first, second = (
        run(detector, [make_snippet(i, level) for i, level in enumerate(past + tail)], window_snippets=6)[0]
        for tail in (one, other)
    )
    for left, right in zip(first[: len(past)], second[: len(past)], strict=True):
        assert left.snippet.score == right.snippet.score


@pytest.mark.parametrize(("window", "latency"), [(1, 0), (4, 0), (4, 2), (64, 3)])
def test_a_score_is_the_networks_own_over_the_window_that_ends_latency_later(
    detector, make_snippet, window, latency
) -> None:
    values = np.random.default_rng(0).random(12)
    judged, rest = run(
        detector,
        [make_snippet(i, level) for i, level in enumerate(values)],
        window_snippets=window,
        latency_snippets=latency,
    )
    assert [round(j.snippet.start / detector.grid.snippet_seconds) for j in (*judged, *rest)] == list(range(12))
    assert len(rest) == latency
    seen = np.round(255 * values).astype(np.float32)[:, None] / 255
    for index, judgement in enumerate(judged):
        last = index + latency + 1
        rows = seen[max(0, last - window) : last]
        verdict = detector.scorer.judge(SnippetFeatures(rows[None], None, 1.0, None))
        assert judgement.snippet.score == pytest.approx(verdict.scores.anomaly_scores[-1 - latency], abs=1e-6)


def test_sound_that_goes_hands_over_to_the_student_at_once_and_back_once_it_is_steady(detector, make_snippet) -> None:
    sounds = [0.5] * 3 + [None] * 2 + [0.5] * (STEADY_SNIPPETS + 1)
    judged, _ = run(detector, [make_snippet(i, sound=sound) for i, sound in enumerate(sounds)])
    expected = ["teacher"] * 3 + ["visual student"] * (2 + STEADY_SNIPPETS - 1) + ["teacher"] * 2
    assert [judgement.network for judgement in judged] == expected
    assert [j.reason for j in judged[2:4]] == ["picture and sound", "no steady sound"]
    assert judged[0].snippet.sound_gain is not None
    assert judged[4].snippet.sound_gain is None


def test_a_dead_microphone_counts_as_missing_sound(detector, make_snippet) -> None:
    judged, _ = run(detector, [make_snippet(i, sound=sound) for i, sound in enumerate([0.0, 1e-4, 0.5])])
    assert [(j.network, j.reason) for j in judged] == [
        ("visual student", "the sound is silent"),
        ("visual student", "the sound is silent"),
        ("teacher", "picture and sound"),
    ]


def test_a_long_hole_is_no_context(detector, make_snippet) -> None:
    before = [make_snippet(i, 0.9) for i in range(4)]
    after = make_snippet(0, 0.2, start=60.0)
    alone, _ = run(detector, [after])
    judged, _ = run(detector, [*before, after])
    assert judged[-1].snippet.score == alone[0].snippet.score
    near, _ = run(detector, [*before, make_snippet(5, 0.2)])
    assert near[-1].snippet.score != alone[0].snippet.score


def test_sounds_are_named_whichever_network_scores(naming, make_snippet) -> None:
    sounds = [0.5, 0.5, None, 0.5, 0.1]
    judged, _ = run(naming, [make_snippet(i, sound=sound) for i, sound in enumerate(sounds)])
    assert [j.network for j in judged] == ["teacher"] * 2 + ["visual student"] * 3  # no steady sound yet
    named = [[(s.name, s.probability, s.start) for s in j.snippet.sounds] for j in judged]
    beeps = [[("Beep, bleep", 0.5, round(j.snippet.start, 3))] for j in judged]
    assert named == [beeps[0], beeps[1], [], beeps[3], []]  # 0.1 is too little for a name
    assert [None if j.tags is None else len(j.tags) for j in judged] == [1, 1, None, 1, 1]


def test_named_sounds_change_no_score(detector, naming, make_snippet) -> None:
    snippets = [make_snippet(i, i / 10, sound=i / 10) for i in range(6)]
    scores = [[j.snippet.score for j in run(each, snippets)[0]] for each in (detector, naming)]
    assert scores[0] == scores[1]


def test_one_network_that_encodes_and_names_runs_once(bright_or_beeping, tagger, make_snippet) -> None:
    """It has no `listen` of its own that could be called."""
    encoders = bright_or_beeping.encoders._replace(audio=tagger)
    both = Detector(bright_or_beeping.scorer, encoders, grid=bright_or_beeping.grid)
    judged, _ = run(both, [make_snippet(0, sound=0.5)])
    assert judged[0].snippet.sounds[0].probability == 0.5


def test_still_footage_is_skipped_and_a_change_is_encoded_at_once(bright_is_bad, make_snippet) -> None:
    skipping = Detector(bright_is_bad.scorer, bright_is_bad.encoders._replace(skip_still=True), grid=bright_is_bad.grid)
    scorer = CausalScorer(skipping, ScoringConfig())
    for index in range(24):
        scorer.push(make_snippet(index, 0.2))
    assert scorer.encoded_share == 16 / 24  # the calibration
    (changed,) = scorer.push(make_snippet(24, 0.9))
    assert changed.snippet.score == pytest.approx(0.9, abs=0.01)
    assert scorer.encoded_share == 17 / 25
    assert CausalScorer(bright_is_bad, ScoringConfig()).encoded_share == 1.0
