"""Features of composed sequences: pictures encoded once a recording and damage, sound once a sequence.

A snippet of picture is encoded by itself, so a sequence's picture features are those of its recordings. Its sound is
encoded as it was mixed. Both are kept in files, made anew where recordings, plan or encoders change.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Bag, Composition, Interval
from avadclip.data.composed.picture import RecordingPicture, too_short
from avadclip.data.composed.plan import Foreground, PictureFault, SequencePlan
from avadclip.data.composed.recordings import GRID, Recording
from avadclip.data.composed.sound import RenderedSound, render_sound
from avadclip.encoders.base import Encoders, SoundTags
from avadclip.errors import DataError
from avadclip.features.batch import is_current
from avadclip.features.extract import audio_stream, encode_picture, encode_sound, provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import FileFeatures, read_feature_shape, read_features, write_features

PICTURES = "pictures"  # sub-folder of the features of recordings


class SequenceFeatures:
    """Features of sequences of these recordings; up-to-date files in the folder are reused.

    Args:
        recordings: by hash.
        encoders: with sound.
        folder: of feature files, with one sub-folder per encoders.
    """

    def __init__(self, recordings: Mapping[str, Recording], encoders: Encoders, folder: Path) -> None:
        if encoders.audio is None:
            raise DataError(f"the encoders {encoders.name} have no sound, which composed data needs; load them with it")
        self._recordings, self._encoders, self._audio = recordings, encoders, encoders.audio
        self._provenance = provenance_of(encoders, GRID)
        key = sha256(self._provenance.model_dump_json().encode()).hexdigest()[:12]
        self._folder = folder / f"{encoders.visual.name}-{key}"

    def bag(self, plan: SequencePlan, classes: Sequence[str], *, is_weak: bool) -> Bag:
        """The sequence as a bag, its features in files; of a damaged picture those of the clear one too.

        Args:
            plan: of these recordings.
            classes: `normal` first.
            is_weak: leave the times of its events out.

        Raises:
            DataError: a recording is shorter than its header stated.
            MediaError: a recording cannot be read.
        """
        labels = {label for event in plan.events for label in event.labels}
        targets = np.array([name in (labels or {classes[0]}) for name in classes], dtype=np.float32)
        return Bag(
            name=plan.name,
            group=plan.name,
            stored=self._stored(plan),
            targets=targets,
            intervals=None if is_weak and plan.events else intervals_of(plan),
            composition=composition_of(plan, self._recordings),
            # Its sound stays damaged: teacher and student differ in the picture alone.
            clear=None if plan.picture_damage is None else self._stored(plan._replace(picture_damage=None)),
        )

    def _stored(self, plan: SequencePlan) -> FileFeatures:
        target = self._folder / plan.sha256[:2] / f"{plan.sha256}.safetensors"
        if not is_current(target, self._provenance, plan.sha256, None):
            write_features(target, self._encode(plan))
        return FileFeatures(target, read_feature_shape(target), crop=0)

    def _encode(self, plan: SequencePlan) -> SnippetFeatures:
        shown = plan.shown()
        rows = {pair: self._rows(*pair) for pair in {(each.recording, each.fault) for each in shown}}
        sound = RenderedSound(render_sound(plan, self._recordings))
        audio, tags = self._encode_sound(sound, plan.num_snippets)
        return SnippetFeatures(
            visual=np.stack([rows[each.recording, each.fault][:, each.snippet] for each in shown], axis=1),
            audio=audio,
            tags=tags,
            duration_seconds=plan.num_snippets * GRID.snippet_seconds,
            provenance=self._provenance,
            sound_is_silent=sound.report.silent,
            source_sha256=plan.sha256,
        )

    def _encode_sound(self, sound: RenderedSound, num_snippets: int) -> tuple[NDArray[np.float32], SoundTags | None]:
        """Features [T, Da] and named sounds, of one pass where the encoder reads the sound once."""
        stream = audio_stream(self._encoders, GRID)
        audio, tags = None, None
        if stream is not None:
            stream.read_alone(sound, num_snippets)
            audio, tags = stream.features(num_snippets), stream.tags(num_snippets)
        return encode_sound(sound, self._audio, GRID, num_snippets) if audio is None else audio, tags

    def _rows(self, name: str, fault: PictureFault | None) -> NDArray[np.float32]:
        """Features [K, T, Dv] of a whole recording."""
        damage = None if fault is None else {"name": fault, "version": 1}
        provenance = self._provenance.model_copy(update={"audio": None, "damage": damage})
        target = self._folder / PICTURES / f"{name}-{(fault or 'clear').replace(' ', '-')}.safetensors"
        if not is_current(target, provenance, name, None):
            recording = self._recordings[name]
            picture = RecordingPicture(recording, fault)
            visual = encode_picture(picture, recording.path, self._encoders.visual, GRID)
            if visual.shape[1] < recording.num_snippets:
                raise DataError(too_short(recording))
            seconds = picture.report.duration_seconds
            write_features(target, SnippetFeatures(visual, None, seconds, provenance, source_sha256=name))
        return read_features(target).visual


def intervals_of(plan: SequencePlan) -> tuple[Interval, ...]:
    """The exact events in seconds; an event with two labels is two intervals."""
    seconds = GRID.snippet_seconds
    return tuple(
        Interval(label, event.start * seconds, event.end * seconds) for event in plan.events for label in event.labels
    )


def hard_negatives_of(plan: SequencePlan) -> list[Foreground]:
    """Sounds over the background that are no event's."""
    of_events = {(event.start, event.end) for event in plan.events}
    return [each for each in plan.foregrounds if (each.start, each.end) not in of_events]


def composition_of(plan: SequencePlan, recordings: Mapping[str, Recording]) -> Composition:
    """Kinds of events, hard negatives and damage by snippet."""
    hard = hard_negatives_of(plan)
    picture, sound = plan.picture_damage, plan.sound_damage
    return Composition(
        event_kinds=_spread(plan, [(event.kind, event.start, event.end) for event in plan.events]),
        hard_negatives=_spread(plan, [(recordings[each.recording].label, each.start, each.end) for each in hard]),
        picture_damage=_spread(plan, [picture] if picture else []),
        sound_damage=_spread(plan, [(sound.fault, sound.start, sound.end)] if sound else []),
    )


def _spread(plan: SequencePlan, spans: Sequence[tuple[str, int, int]]) -> NDArray[np.str_]:
    """[T]: the word of the span that a snippet lies in, "" outside of all."""
    words = [""] * plan.num_snippets
    for word, start, end in spans:
        words[start:end] = [word] * (end - start)
    return np.array(words)
