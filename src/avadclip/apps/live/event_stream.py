"""From one camera's scores to its event messages: rules, thresholds of the network at work, cooldown and schedule."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

import numpy as np

from avadclip.apps.live.causal import Judgement
from avadclip.apps.live.config import CameraConfig
from avadclip.apps.live.key_frame import EventPicture, EventPictures
from avadclip.apps.live.messages import EventMessage, LiveEvent
from avadclip.apps.live.schedule import is_due
from avadclip.apps.live.spans import Change, LiveSpan, SpanFinder
from avadclip.events import UNNAMED_CLASSES, EventKind, Modality, SoundRule, Thresholds
from avadclip.inference.named_sounds import SoundScorer
from avadclip.report.words import network_words

UPDATE_SECONDS = 10.0  # of video: no update comes sooner after the last message about its event, unless it is an alert
RECENT_EVENTS = 16  # whose recording may still fail after their end


class CameraEvents:
    """The events of one camera: those of the model, and those of every sound that raises events of its own.

    Args:
        camera: its name.
        config: its rules.
        model: name of the checkpoint.
        tagger: name of the audio tagger.
        sounds: see SoundRule.
        pictures: keeps the events' pictures; None: they have none.
    """

    def __init__(
        self,
        camera: str,
        config: CameraConfig,
        *,
        model: str,
        tagger: str = "",
        sounds: Sequence[SoundRule] = (),
        pictures: EventPictures | None = None,
    ) -> None:
        self._model_events = EventStream(camera, config, model=model, pictures=pictures)
        own = config.model_copy(update={"threshold": None, "alert": None})  # those are about the model's scores
        self._sound_events = [
            (
                rule,
                SoundScorer(rule),
                EventStream(
                    camera,
                    own,
                    model=tagger,
                    kind="sound",
                    prefix=f"{camera}.{_word(rule.label)}",
                    pictures=pictures,
                ),
            )
            for rule in sounds
        ]

    @property
    def num_events(self) -> int:
        """Events so far, sent or not."""
        return sum(stream.num_events for stream in self._streams())

    @property
    def num_unsent(self) -> int:
        """Events so far that cooldown or schedule kept back."""
        return sum(stream.num_unsent for stream in self._streams())

    def push(self, judgement: Judgement) -> list[EventMessage]:
        """Messages that this snippet gives rise to: the model's, then those of the sounds."""
        messages = self._model_events.push(judgement)
        for rule, scorer, stream in self._sound_events:
            messages += stream.push(_judged_by_sound(judgement, rule, scorer.push(judgement.tags)[0]))
        return messages

    def finish(self, note: str) -> list[EventMessage]:
        """End all open events now, and say why; what comes next is another track."""
        return [message for stream in self._streams() for message in stream.finish(note)]

    def report_failed_recording(self, event: str, reason: str) -> list[EventMessage]:
        """Messages that tell it; see EventStream."""
        return [message for stream in self._streams() for message in stream.report_failed_recording(event, reason)]

    def _streams(self) -> "list[EventStream]":
        return [self._model_events, *(stream for _, _, stream in self._sound_events)]


def _word(label: str) -> str:
    """The label as part of an id and a file name."""
    return re.sub(r"\W+", "-", label).strip("-")


def _judged_by_sound(judgement: Judgement, rule: SoundRule, score: np.float32) -> Judgement:
    """The same snippet with the rule's score."""
    probabilities = np.array([1.0 - score, score], np.float32)
    return judgement._replace(
        snippet=replace(judgement.snippet, score=score, class_probabilities=probabilities, sound_gain=None),
        network=rule.label,
        modality="audio",
        classes=(UNNAMED_CLASSES[0], rule.label),
        thresholds=Thresholds(rule.threshold, alert=None),
    )


class EventStream:
    """Turns the judgements of one source of scores into new, update and end messages.

    An event is the finding of one network: where another takes over, as sound comes or goes, the open event ends and a
    next one may begin. Scores of two networks are not on one scale.

    Args:
        camera: its name.
        config: its rules.
        model: of the events.
        kind: of the events.
        prefix: of the events' ids; by default the camera's name.
        pictures: keeps the events' pictures; None: they have none.
    """

    def __init__(
        self,
        camera: str,
        config: CameraConfig,
        *,
        model: str,
        kind: EventKind = "model",
        prefix: str | None = None,
        pictures: EventPictures | None = None,
    ) -> None:
        self.num_events = 0
        self.num_unsent = 0
        self._camera = camera
        self._config = config
        self._model = model
        self._kind: EventKind = kind
        self._prefix = prefix or camera
        self._pictures = pictures
        self._network: _Network | None = None
        self._open: EventMessage | None = None  # the last one about the open event
        self._last_time = 0.0  # of the video, at that message
        self._failure: str | None = None  # of its recording
        self._picture: EventPicture | None = None
        self._ended: deque[EventMessage] = deque(maxlen=RECENT_EVENTS)
        self._last_end = float("-inf")

    def push(self, judgement: Judgement) -> list[EventMessage]:
        """Messages that this snippet's score gives rise to, in order."""
        messages: list[EventMessage] = []
        if self._network is None or self._network.name != judgement.network:
            messages = self.finish(f"network changed to {network_words(judgement.network)}: {judgement.reason}")
            self._network = _Network(judgement, self._config)
        network = self._network
        for change in network.finder.push(judgement.snippet):
            messages += self._tell(change, network)
        return messages

    def finish(self, note: str) -> list[EventMessage]:
        """End the open event now, and say why; what comes next is another track."""
        network, self._network = self._network, None
        if network is None:
            return []
        return [message for change in network.finder.finish() for message in self._tell(change, network, note)]

    def report_failed_recording(self, event: str, reason: str) -> list[EventMessage]:
        """An update of the event, or its end once more, with the failure in the note, as in all later messages."""
        failure = f"recording failed: {reason}"
        if self._open is not None and self._open.after.id == event:
            self._failure = failure
            self._open = _message("update", self._open.after, self._open, failure)
            return [self._open]
        return [_message("end", e.after, e, _joined(e.note, failure)) for e in self._ended if e.after.id == event]

    def _tell(self, change: Change, network: "_Network", note: str | None = None) -> list[EventMessage]:
        if change.kind == "begun":
            self.num_events += 1
            if not self._is_wanted(change.span):
                self.num_unsent += 1
                return []
            self._failure = self._picture = None
            self._open, self._last_time = _message("new", self._describe(change, network)), change.span.end
            return [self._open]
        if self._open is None:
            return []  # this event was not sent
        event = self._describe(change, network)
        if change.kind == "ended":
            end = _message("end", event, self._open, _joined(note, self._failure))
            self._open, self._last_end = None, change.span.end
            self._ended.append(end)
            return [end]
        known = self._open.after
        is_early = change.span.end - self._last_time < UPDATE_SECONDS and event.severity == known.severity
        if is_early or _says_nothing_new(event, known):
            return []
        self._open, self._last_time = _message("update", event, self._open, self._failure), change.span.end
        return [self._open]

    def _is_wanted(self, span: LiveSpan) -> bool:
        # Negative: the clock was set back, and must not silence the camera until it is there again.
        is_cool = not 0 <= span.start - self._last_end < self._config.cooldown_seconds
        return is_cool and is_due(self._config.periods, datetime.fromtimestamp(span.start, self._config.zone))

    def _describe(self, change: Change, network: "_Network") -> LiveEvent:
        span = change.span
        event_id = f"{self._prefix}-{round(span.start * 1000)}"
        if self._pictures is not None and span.key_frame is not None:
            self._picture = self._pictures.keep(event_id, span.key_frame, self._picture)
        return LiveEvent(
            id=event_id,
            source=self._camera,
            label=span.best_anomaly_class(network.classes),
            score=float(span.peak),
            start=span.start,
            end=span.end if change.kind == "ended" else None,
            severity=network.thresholds.severity(float(span.peak)),
            modality=network.modality,
            model=self._model,
            threshold=network.thresholds.detection,
            sound_gain=span.sound_gain,
            kind=self._kind,
            sounds=span.sounds,
            picture=None if self._picture is None else self._picture.path,
            picture_link=None if self._picture is None else self._picture.link,
        ).rounded()


def _message(
    kind: Literal["new", "update", "end"],
    event: LiveEvent,
    before: EventMessage | None = None,
    note: str | None = None,
) -> EventMessage:
    """The message about an event that follows `before`."""
    number = 0 if before is None else before.number + 1
    known = None if before is None else before.after
    return EventMessage(type=kind, id=f"{event.id}.{number}", before=known, after=event, note=note)


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note) or None


def _says_nothing_new(event: LiveEvent, before: LiveEvent) -> bool:
    """Gain, times and probabilities of known sounds move with every snippet; they alone are no news."""
    new_sounds = {sound.name for sound in event.sounds} - {sound.name for sound in before.sounds}
    return not new_sounds and before == event.model_copy(
        update={"sound_gain": before.sound_gain, "sounds": before.sounds}
    )


class _Network:
    """The network at work: what it needs for an event, and its track so far."""

    def __init__(self, judgement: Judgement, config: CameraConfig) -> None:
        own = judgement.thresholds
        rules = config.rules.resolved(own.detection)
        self.name = judgement.network
        self.modality: Modality = judgement.modality
        self.classes = judgement.classes
        self.thresholds = Thresholds(rules.start_score, own.alert if config.alert is None else config.alert)
        self.finder = SpanFinder(rules)
