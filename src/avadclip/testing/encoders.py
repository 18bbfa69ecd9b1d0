"""What every set of encoders promises, see encoders.base."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from avadclip.encoders.base import Encoders, Frame
from avadclip.encoders.load import EncoderOptions, load_encoders, visual_name
from avadclip.features.extract import extract_features, provenance_of
from avadclip.features.snippets import Provenance
from avadclip.features.store import read_features, write_features
from avadclip.testing.checks import Check, Features, check_equal, check_features, require, run_checks
from avadclip.testing.media import noise_frames, plain_frames, write_video
from avadclip.testing.sounds import AudioChecks, TaggerChecks
from avadclip.timeline import SnippetGrid

NUM_SNIPPETS = 3
FULL_SIZES = ((60, 80), (90, 50), (17, 23))  # (height, width), for encoders of frames of any size


def check_encoder(spec: str) -> None:
    """Check a set of encoders.

    Shapes, types and finite numbers; the same features in every call, whatever shares it; identities that can be
    stored and compared; sound that can be left out; live features equal to those of a file where `reads_once` promises
    it; and the extraction of a short video, written and read again.

    Args:
        spec: as `--encoders` takes it: a plug-in's `NAME` or `NAME:PATH`.

    Raises:
        AvadclipError: they cannot be loaded.
        ExceptionGroup: the failures, each with the name of its check.
    """
    encoders = load_encoders(spec)
    checks = [*_VisualChecks(encoders, spec).all(), *_ExtractionChecks(encoders, spec).all()]
    if encoders.audio is not None:
        checks += AudioChecks(encoders.audio).all()
    if encoders.tagger is not None:
        checks += TaggerChecks(encoders.tagger).all()
    run_checks(f"encoders {spec}", checks)


class _VisualChecks:
    def __init__(self, encoders: Encoders, spec: str) -> None:
        self._encoders = encoders
        self._visual = encoders.visual
        self._spec = spec
        self._size = self._visual.frame_size or FULL_SIZES[0]

    def all(self) -> list[Check]:
        return [
            self.attributes_have_their_types,
            self.identity_is_that_of_the_encoder,
            self.features_are_finite_floats_of_the_promised_shape,
            self.a_call_repeated_gives_the_same_features,
            self.a_snippet_does_not_depend_on_others_in_the_call,
            self.frames_are_not_changed,
            self.different_frames_have_different_features,
            self.prepared_frames_have_one_size,
            *([self.class_words_become_vectors_as_wide_as_the_picture] if self._encoders.text is not None else []),
        ]

    def attributes_have_their_types(self) -> None:
        visual, offsets = self._visual, self._visual.frame_offsets
        require(bool(visual.name) and isinstance(visual.name, str), f"name is {visual.name!r}, needed a word")
        for what in ("dim", "num_crops", "snippets_per_batch"):
            value = getattr(visual, what)
            require(isinstance(value, int) and value >= 1, f"{what} is {value!r}, needed a whole number from 1")
        require(len(offsets) > 0 and all(isinstance(offset, int) for offset in offsets), "frame_offsets are no ints")
        is_ascending = list(offsets) == sorted(set(offsets)) and offsets[0] >= 0
        require(is_ascending, f"frame_offsets are {offsets}, needed ascending ones from 0")
        require(visual.frame_size is None or len(visual.frame_size) == 2, "frame_size is no (height, width)")

    def identity_is_that_of_the_encoder(self) -> None:
        again = provenance_of(load_encoders(self._spec), SnippetGrid())
        found = provenance_of(self._encoders, SnippetGrid())
        difference = again.difference(found)
        require(difference is None, f"loaded twice, the identity differs: {difference}")
        stored = Provenance.model_validate_json(found.model_dump_json())
        require(stored == found, "the identity does not survive being stored as JSON")
        name = found.visual.get("name")
        needed = visual_name(self._spec)
        require(name == needed, f"the visual identity has the name {name!r}, needed {needed!r}, as users name it")

    def features_are_finite_floats_of_the_promised_shape(self) -> None:
        per_snippet = len(self._visual.frame_offsets)
        for frames in (self._noise(), *(plain_frames(NUM_SNIPPETS * per_snippet, self._size, at) for at in (0, 255))):
            check_features(self._encode(frames), (self._visual.num_crops, NUM_SNIPPETS, self._visual.dim))

    def a_call_repeated_gives_the_same_features(self) -> None:
        np.testing.assert_array_equal(self._encode(self._noise()), self._encode(self._noise()))

    def a_snippet_does_not_depend_on_others_in_the_call(self) -> None:
        frames, per_snippet = self._noise(), len(self._visual.frame_offsets)
        together = self._encode(frames)
        for index in range(NUM_SNIPPETS):
            alone = self._encode(frames[index * per_snippet : (index + 1) * per_snippet])
            check_equal(alone[:, 0], together[:, index], "a snippet encoded alone differs from it among others")

    def frames_are_not_changed(self) -> None:
        frames = self._noise()
        self._encode(frames)
        for frame, original in zip(frames, self._noise(), strict=True):
            np.testing.assert_array_equal(frame, original)

    def different_frames_have_different_features(self) -> None:
        black, white = (plain_frames(len(self._visual.frame_offsets), self._size, level) for level in (0, 255))
        require(not np.array_equal(self._encode(black), self._encode(white)), "black and white have the same features")

    def prepared_frames_have_one_size(self) -> None:
        sizes = FULL_SIZES if self._visual.frame_size is None else (self._size,)
        prepared = [self._visual.prepare(noise_frames(1, size)[0]) for size in sizes]
        shapes = {(each.shape, each.dtype) for each in prepared}
        require(len(shapes) == 1, f"frames of different sizes are prepared to different ones: {shapes}")

    def class_words_become_vectors_as_wide_as_the_picture(self) -> None:
        assert self._encoders.text is not None
        check_features(self._encoders.text.encode_words(["fighting", "riot"]), (2, self._visual.dim))

    def _noise(self) -> list[Frame]:
        return noise_frames(NUM_SNIPPETS * len(self._visual.frame_offsets), self._size)

    def _encode(self, frames: list[Frame]) -> Features:
        return self._visual.encode([self._visual.prepare(frame) for frame in frames])


class _ExtractionChecks:
    def __init__(self, encoders: Encoders, spec: str) -> None:
        self._encoders = encoders
        self._spec = spec

    def all(self) -> list[Check]:
        return [self.sound_can_be_left_out, self.a_video_is_extracted_stored_and_read_again]

    def sound_can_be_left_out(self) -> None:
        silent = load_encoders(self._spec, EncoderOptions(sound=False))
        require(silent.audio is None and silent.tagger is None, "options.sound is False, but sound is still encoded")

    def a_video_is_extracted_stored_and_read_again(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            video = write_video(Path(folder) / "video.mkv")
            features = extract_features(video, self._encoders)
            num_snippets = features.visual.shape[1]
            visual, audio = self._encoders.visual, self._encoders.audio
            check_features(features.visual, (visual.num_crops, num_snippets, visual.dim))
            if audio is not None:
                require(features.audio is not None, "the video has sound, but it was not encoded")
                check_features(np.asarray(features.audio), (num_snippets, audio.dim))
            again = extract_features(video, self._encoders)
            np.testing.assert_array_equal(again.visual, features.visual)
            file = Path(folder) / "video.safetensors"
            write_features(file, replace(features, source_sha256="0" * 64))
            stored = read_features(file)
            np.testing.assert_array_equal(stored.visual, features.visual)
            require(stored.provenance == features.provenance, "the stored provenance differs")
