"""Detect anomalous events in a video: the library's front door."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from avadclip.encoders.base import Encoders, Identity, SoundTags
from avadclip.encoders.device import AUTO, choose_device
from avadclip.encoders.downloads.get import obtain
from avadclip.encoders.load import EncoderOptions, load_encoders, load_tagger
from avadclip.encoders.precision import Precision
from avadclip.encoders.weights import obtain_encoders
from avadclip.errors import CheckpointError, ConfigError, WeightsError
from avadclip.events import (
    UNNAMED_CLASSES,
    Event,
    EventRules,
    Modality,
    NamedSound,
    ScoreTrack,
    Thresholds,
    best_anomaly_class,
    find_spans,
    mean_gain,
)
from avadclip.features.extract import extract_features, provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, load_checkpoint, read_checkpoint_header
from avadclip.inference.familiarity import Familiarity
from avadclip.inference.named_sounds import SoundScorer, named_sounds, sound_spans, sounds_during, summarise
from avadclip.inference.scorers import ZERO_SHOT, Scorer, TrainedScorer, Verdict, ZeroShotScorer
from avadclip.inference.scoring import SnippetScores, to_track
from avadclip.inference.zero_shot import check_classes
from avadclip.media.probe import MediaFile, MediaInfo
from avadclip.timeline import SnippetGrid

VideoProgress = Callable[[float, float], None]
"""Called with the seconds of the video that are done, and its length in seconds."""


@dataclass(frozen=True)
class Detection:
    """The result for one video."""

    source: str
    """The video, as the user named it."""
    media: MediaInfo
    model: str
    """Checkpoint name, e.g. `starter`."""
    network: str
    """The network that scored it: teacher, visual student, audio student, both students, zero-shot, or a comparison
    system."""
    modality: Modality
    reason: str
    """Why this network: one phrase, e.g. `the file has no sound track`."""
    track: ScoreTrack
    """The scores the events were found in."""
    visual_track: ScoreTrack | None
    """The visual student's scores, from the picture alone, where a network of picture and sound scored the video."""
    audio_track: ScoreTrack | None
    """The audio student's likewise, where the checkpoint has one."""
    thresholds: Thresholds
    rules: EventRules
    """How the events were cut from the scores; the threshold is never None."""
    events: tuple[Event, ...]
    encoders: dict[str, Identity]
    """Identity of the visual and audio encoder."""
    notes: tuple[str, ...]
    """Notes on the file, and on choices that were made for it."""
    sounds: tuple[NamedSound, ...] | None = None
    """The named sounds of the video, in order of time; None where sounds were not named."""

    @property
    def sound_summary(self) -> str | None:
        """One line such as `speech, traffic; 0:14 glass`; None where sounds were not named."""
        return None if self.sounds is None else summarise(self.sounds, self.track.end_seconds)

    def renamed(self, source: str, stem: str) -> "Detection":
        """The same result under another name of the video.

        Args:
            source: the name.
            stem: what the ids of events begin with.
        """
        events = tuple(
            event.model_copy(update={"id": f"{stem}-{number:04d}", "source": source})
            for number, event in enumerate(self.events, start=1)
        )
        return replace(self, source=source, events=events)


class _Tracks(NamedTuple):
    chosen: ScoreTrack
    visual: ScoreTrack | None
    audio: ScoreTrack | None


class Detector:
    """Finds events in videos. Stateless: one detector may serve several threads."""

    def __init__(
        self,
        scorer: Scorer,
        encoders: Encoders,
        *,
        grid: SnippetGrid,
        notes: Sequence[str] = (),
        familiarity: Familiarity | None = None,
    ) -> None:
        self.scorer = scorer
        self.encoders = encoders
        self.grid = grid
        self.familiarity = familiarity
        """What a video unlike the training footage is told by; then no event is an alert."""
        self.notes = tuple(notes)
        """Part of the notes of every result."""

    def detect(
        self,
        path: str | Path,
        *,
        rules: EventRules | None = None,
        audio_track: int | None = None,
        on_progress: VideoProgress | None = None,
    ) -> Detection:
        """Score one video and list its anomalous events.

        Args:
            path: a video file.
            rules: how events are cut from the scores; by default EventRules().
            audio_track: the audio track to use, counted from 1; by default the first that is not silent.
            on_progress: see VideoProgress.

        Raises:
            MediaError: the file cannot be read, has no such audio track, or is shorter than one snippet.
        """
        media = MediaFile.open(path, audio_track=audio_track)
        report = None if on_progress is None else lambda seconds: on_progress(seconds, media.info.duration_seconds)
        features = extract_features(media, self.encoders, grid=self.grid, on_progress=report)
        return self.judge(features, media.info, source=str(path), rules=rules)

    def judge(
        self, features: SnippetFeatures, media: MediaInfo, *, source: str, rules: EventRules | None = None
    ) -> Detection:
        """The second half of `detect`: score a video's features and list its events.

        Args:
            features: made with this detector's encoders on its grid.
            media: properties of the video, from `probe`.
            source: name of the video in the result.
            rules: as for `detect`.
        """
        verdict = self.scorer.judge(features)
        tracks = _Tracks(
            self._track(verdict.scores, features),
            None if verdict.visual_scores is None else self._track(verdict.visual_scores, features),
            None if verdict.audio_scores is None else self._track(verdict.audio_scores, features),
        )
        rules = (rules or EventRules()).resolved(verdict.thresholds.detection)
        unlike = [] if self.familiarity is None else self.familiarity.notes(features)
        alert = None if unlike else verdict.thresholds.alert
        thresholds = Thresholds(detection=rules.start_score, alert=alert)
        events = [
            self._event(span, source=source, verdict=verdict, thresholds=thresholds, tracks=tracks, tags=features.tags)
            for span in find_spans(tracks.chosen, rules)
        ]
        events += self._sound_events(features.tags, tracks.chosen, rules, source)
        events.sort(key=lambda event: (event.start, event.kind))
        boundaries = tracks.chosen.boundaries()
        return Detection(
            source=source,
            media=replace(media, duration_seconds=features.duration_seconds),  # headers may state another length
            model=self.scorer.name,
            network=verdict.network,
            modality=verdict.modality,
            reason=verdict.reason,
            track=tracks.chosen,
            visual_track=tracks.visual,
            audio_track=tracks.audio,
            thresholds=thresholds,
            rules=rules,
            events=tuple(
                event.model_copy(update={"id": f"{Path(source).stem}-{number:04d}"})
                for number, event in enumerate(events, start=1)
            ),
            encoders=self._identities(),
            notes=tuple(dict.fromkeys([*media.notes, *features.notes, *self.notes, *_naming_notes(verdict), *unlike])),
            sounds=None if features.tags is None else named_sounds(features.tags, boundaries),
        )

    def _identities(self) -> dict[str, Identity]:
        identities = {"visual": self.encoders.visual_identity()}
        if self.encoders.audio is not None:
            identities["audio"] = self.encoders.audio.identity()
        if self.encoders.tagger is not None:
            identities["sounds"] = self.encoders.tagger.identity()
        return identities

    def _track(self, scores: SnippetScores, features: SnippetFeatures) -> ScoreTrack:
        return to_track(scores, self.scorer.classes, self.grid, end_seconds=features.duration_seconds)

    def _sound_events(
        self, tags: SoundTags | None, track: ScoreTrack, rules: EventRules, source: str
    ) -> Iterator[Event]:
        """Events of named sounds alone, whatever the network says of them."""
        tagger = self.encoders.tagger
        if tags is None or tagger is None:
            return
        boundaries = track.boundaries()
        for rule in tagger.default_sounds if rules.sounds is None else rules.sounds:
            scores = SoundScorer(rule).push(tags)
            for start, stop in sound_spans(scores, rule, track, rules):
                yield Event(
                    id="",
                    source=source,
                    label=rule.label,
                    score=float(scores[start:stop].max()),
                    start=float(boundaries[start]),
                    end=float(boundaries[stop]),
                    severity="detection",
                    modality="audio",
                    model=tagger.name,
                    threshold=rule.threshold,
                    kind="sound",
                    sounds=sounds_during(tags, boundaries, (start, stop)),
                )

    def _event(
        self,
        span: tuple[int, int],
        *,
        source: str,
        verdict: Verdict,
        thresholds: Thresholds,
        tracks: _Tracks,
        tags: SoundTags | None,
    ) -> Event:
        """One event of the model, still without its id."""
        start, stop = span
        boundaries = tracks.chosen.boundaries()
        score = float(tracks.chosen.scores[start:stop].max())
        return Event(
            id="",
            source=source,
            label=best_anomaly_class(tracks.chosen, span),
            score=score,
            start=float(boundaries[start]),
            end=float(boundaries[stop]),
            severity=thresholds.severity(score),
            modality=verdict.modality,
            model=self.scorer.name,
            threshold=thresholds.detection,
            sound_gain=mean_gain(tracks.chosen, tracks.visual, span),
            picture_gain=mean_gain(tracks.chosen, tracks.audio, span),
            sounds=sounds_during(tags, boundaries, span),
        )


def _naming_notes(verdict: Verdict) -> list[str]:
    if verdict.scores.class_probabilities is not None:
        return []
    return [f"{verdict.network} finds events but does not name them: every event is called `{UNNAMED_CLASSES[1]}`"]


def load_detector(
    model: str | Path = "starter",
    *,
    encoders: str | None = None,
    classes: Sequence[str] | None = None,
    device: str = AUTO,
    precision: Precision | None = None,
    sounds: bool = True,
    network: str | None = None,
    skip_still: bool = False,
) -> Detector:
    """Load a model and the encoders it needs, ready for any number of videos.

    Args:
        model: `starter`, `avadclip-xd` (the authors' weights), a checkpoint file, `hf://owner/name@revision` on the
            Hugging Face hub, or `zero-shot`.
        encoders: as load_encoders takes them; by default what the checkpoint was trained on, `clip` for zero-shot.
        classes: class words for zero-shot, `normal` first; a checkpoint has its own.
        device: where networks run, as torch names it; `auto` is the first of cuda, mps and cpu that works and that the
            encoders can use.
        precision: what CLIP's picture side computes in; by default what the checkpoint was trained on, fp32 for
            zero-shot. Where it is another, the notes of every result say so.
        sounds: whether YAMNet names sounds. Where its weights, or those of another audio encoder, cannot be had, the
            detector goes on without them, and the notes of every result say so.
        network: the network of the checkpoint that scores, such as `teacher`; by default the one that the checkpoint
            names for the video. Where it needs sound and the video has none, the visual student scores.
        skip_still: whether a picture that looks like the last encoded one takes its features, see features.skip_still;
            always for a checkpoint that was trained on such features. The notes of every result say what share of the
            frames was encoded.

    Raises:
        CheckpointError: no such checkpoint or network, or the encoders are not those it was trained on.
        WeightsError: the encoders' weights are missing.
        ConfigError: options that do not go together, or no such device.
    """
    if model == ZERO_SHOT:
        if classes is None:
            raise ConfigError('zero-shot has no classes of its own; add e.g. --classes "normal,fighting,explosion"')
        words = check_classes(classes)  # before anything large is loaded
        if network is not None:
            raise ConfigError(f"{ZERO_SHOT} has no networks to choose from; leave out --network")
    elif classes is not None:
        raise ConfigError(f"{model} has classes of its own; --classes goes with --model {ZERO_SHOT}")
    spec, options = model_encoders(model, encoders=encoders, device=device)
    usual = options.precision
    precision = precision or usual
    device = choose_device(device, spec, precision)
    options = options.model_copy(update={"precision": precision, "device": device})
    notes = []
    if options.precision != usual:
        notes.append(f"the picture is encoded in {options.precision}, {model} is made for {usual}: scores may differ")
    loaded, problems = _load_encoders(spec, options, sounds=sounds)
    notes += problems
    if model == ZERO_SHOT:
        loaded = loaded._replace(skip_still=skip_still)
        return Detector(ZeroShotScorer(words, loaded), loaded, grid=SnippetGrid(), notes=notes)
    checkpoint = load_checkpoint(model)
    if options.precision != usual:
        checkpoint = _accepting(checkpoint, {"precision": options.precision})
    header = checkpoint.header
    loaded = loaded._replace(skip_still=header.features.visual.get("skip_still") is not None)
    difference = provenance_of(loaded, header.features.grid).difference(header.features)
    if difference is not None:
        raise CheckpointError(
            f"{header.name} was trained on other encoders than `{loaded.name}` ({difference}); "
            f"use --encoders {header.encoders}"
        )
    if skip_still and not loaded.skip_still:
        loaded = loaded._replace(skip_still=True)
        checkpoint = _accepting(checkpoint, {"skip_still": loaded.visual_identity()["skip_still"]})
    scorer = TrainedScorer(checkpoint, device=torch.device(device), network=network)
    return Detector(scorer, loaded, grid=header.features.grid, notes=notes, familiarity=checkpoint.familiarity)


def _load_encoders(spec: str, options: EncoderOptions, *, sounds: bool) -> tuple[Encoders, list[str]]:
    """The encoders and an audio tagger; and notes on the weights of either that cannot be had."""
    notes = []
    try:
        loaded = load_encoders(spec, options)
    except WeightsError as problem:
        if not options.sound:
            raise
        loaded = load_encoders(spec, options.model_copy(update={"sound": False}))  # raises where the picture's miss too
        notes.append(f"scored by picture alone: {problem}")
    if not sounds or (notes and spec == "lite"):  # whose missing weights are the tagger's
        return loaded._replace(tagger=None), notes
    try:
        return loaded._replace(tagger=loaded.tagger or load_tagger()), notes
    except WeightsError as problem:
        return loaded, [*notes, f"sounds are not named: {problem}"]


def model_encoders(model: str | Path, *, encoders: str | None = None, device: str = AUTO) -> tuple[str, EncoderOptions]:
    """The encoders a model was made for, as load_encoders takes them; raises CheckpointError.

    Args:
        model: as load_detector takes it.
        encoders: named instead of the model's own.
        device: where they shall run.
    """
    if model == ZERO_SHOT:
        return encoders or "clip", EncoderOptions(device=device)
    header = read_checkpoint_header(model)
    return encoders or header.encoders, header.encoder_options.model_copy(update={"device": device})


def obtain_weights(model: str | Path, *, encoders: str | None = None, sounds: bool = True) -> None:
    """Download what `load_detector` needs and is not on this machine, for child processes that must not download.

    Args:
        model: as load_detector takes it.
        encoders: as load_detector takes them.
        sounds: as load_detector takes it.

    Raises:
        CheckpointError, WeightsError: as load_detector.
    """
    spec, options = model_encoders(model, encoders=encoders)
    try:
        obtain_encoders(spec, sound=options.sound)
        if sounds:
            obtain("yamnet")
    except WeightsError:
        obtain_encoders(spec, sound=False)  # the detector goes on by picture, and its notes say why


def _accepting(checkpoint: Checkpoint, change: Identity) -> Checkpoint:
    """The checkpoint, accepting visual features that differ in this from those of its training; a note says so."""
    features = checkpoint.header.features
    accepted = features.model_copy(update={"visual": {**features.visual, **change}})
    return replace(checkpoint, header=checkpoint.header.model_copy(update={"features": accepted}))
