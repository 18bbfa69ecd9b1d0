"""What audio encoders and taggers promise, see encoders.base."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from avadclip.encoders.base import AudioEncoder, SoundTagger, Windows
from avadclip.testing.checks import Check, Features, check_equal, check_features, require
from avadclip.testing.media import sound_windows

NUM_WINDOWS = 5


class AudioChecks:
    """Checks of an audio encoder."""

    def __init__(self, audio: AudioEncoder) -> None:
        self._audio = audio
        self._readings = 0

    def all(self) -> list[Check]:
        """Every check."""
        return [
            self._audio_features_are_finite_floats_of_the_promised_shape,
            self._batches_of_windows_change_nothing,
            self._a_recording_without_windows_has_no_features,
            self._windows_are_not_changed,
            self._a_live_stream_gives_the_promised_features,
            self._two_live_streams_are_independent,
        ]

    def _audio_features_are_finite_floats_of_the_promised_shape(self) -> None:
        for windows in (self._windows, np.zeros_like(self._windows)):
            check_features(self._record(windows, NUM_WINDOWS), (NUM_WINDOWS, self._audio.dim))

    def _batches_of_windows_change_nothing(self) -> None:
        whole = self._record(self._windows, NUM_WINDOWS)
        for size in (1, 2):
            parts = self._record(self._windows, size)
            check_equal(parts, whole, f"batches of {size} windows give other features than one of {NUM_WINDOWS}")

    def _a_recording_without_windows_has_no_features(self) -> None:
        check_features(self._record(self._windows[:0], NUM_WINDOWS), (0, self._audio.dim))

    def _windows_are_not_changed(self) -> None:
        windows = self._windows.copy()
        self._record(windows, NUM_WINDOWS)
        self._audio.listen()(windows)
        np.testing.assert_array_equal(windows, self._windows)

    def _a_live_stream_gives_the_promised_features(self) -> None:
        whole = self._record(self._windows, NUM_WINDOWS)
        listen = self._audio.listen()
        live = np.concatenate([listen(part) for part in np.split(self._windows, [1, 3])])
        check_features(live, (NUM_WINDOWS, self._audio.dim))
        if self._audio.reads_once:
            check_equal(live, whole, "reads_once is True, but live features differ from those of a recording")
            self._readings = 0
            self._record(self._windows, NUM_WINDOWS)
            require(self._readings == 1, f"reads_once is True, but a recording is read {self._readings} times")

    def _two_live_streams_are_independent(self) -> None:
        first, second = self._audio.listen(), self._audio.listen()
        heard = first(self._windows[:2])
        first(self._windows[2:])
        check_equal(second(self._windows[:2]), heard, "a live stream depends on another one")

    @cached_property
    def _windows(self) -> Windows:
        return sound_windows(NUM_WINDOWS, self._audio.window_seconds)

    def _record(self, windows: Windows, size: int) -> Features:
        def read() -> Iterator[Windows]:
            self._readings += 1
            yield from (windows[first : first + size] for first in range(0, len(windows), size))

        return self._audio.encode_recording(read)


class TaggerChecks:
    """Checks of a tagger."""

    def __init__(self, tagger: SoundTagger) -> None:
        self._tagger = tagger

    def all(self) -> list[Check]:
        """Every check."""
        return [self._tags_fit_and_do_not_depend_on_other_windows, self._default_sounds_are_known]

    def _tags_fit_and_do_not_depend_on_other_windows(self) -> None:
        windows = sound_windows(NUM_WINDOWS, self._tagger.window_seconds)
        together = self._tagger.tag(windows).tags
        require(together.fits(NUM_WINDOWS), "the tags have other shapes, types or ranges than SoundTags says")
        for index in range(NUM_WINDOWS):
            alone = self._tagger.tag(windows[index : index + 1]).tags
            np.testing.assert_array_equal(alone.indices[0], together.indices[index])
            np.testing.assert_allclose(alone.probabilities[0], together.probabilities[index], atol=1e-3)

    def _default_sounds_are_known(self) -> None:
        unknown = {name for rule in self._tagger.default_sounds for name in rule.names} - set(self._tagger.names)
        require(not unknown, f"default_sounds name {', '.join(sorted(unknown))}, which `names` lacks")
