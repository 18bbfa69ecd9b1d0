"""From one camera's scores to its event messages: rules, thresholds of the network at work, cooldown and schedule."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from avadclip.apps.live.causal import Judgement
from avadclip.apps.live.config import CameraConfig
from avadclip.apps.live.messages import EventMessage, LiveEvent
from avadclip.apps.live.schedule import is_due
from avadclip.apps.live.spans import Change, LiveSpan, SpanFinder
from avadclip.events import UNNAMED_CLASSES, EventKind, Modality, SoundRule, Thresholds
from avadclip.inference.named_sounds import SoundScorer
from avadclip.report.words import network_words


class CameraEvents:
    """The events of one camera: those of the model, and those of every sound that raises events of its own.

    Args:
        camera: its name.
        config: its rules.
        model: name of the checkpoint.
        tagger: name of the audio tagger.
        sounds: see SoundRule.
    """

    def __init__(
        self, camera: str, config: CameraConfig, *, model: str, tagger: str = "", sounds: Sequence[SoundRule] = ()
    ) -> None:
        self._model_events = EventStream(camera, config, model=model)
        own = config.model_copy(update={"threshold": None, "alert": None})  # those are about the model's scores
        self._sound_events = [
            (
                rule,
                SoundScorer(rule),
                EventStream(camera, own, model=tagger, kind="sound", prefix=f"{camera}.{_word(rule.label)}"),
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
    """

    def __init__(
        self, camera: str, config: CameraConfig, *, model: str, kind: EventKind = "model", prefix: str | None = None
    ) -> None:
        self.num_events = 0
        self.num_unsent = 0
        self._camera = camera
        self._config = config
        self._model = model
        self._kind: EventKind = kind
        self._prefix = prefix or camera
        self._network: _Network | None = None
        self._sent: LiveEvent | None = None  # the open event as the last message had it
        self._number = 0  # of the next message about it
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

    def _tell(self, change: Change, network: "_Network", note: str | None = None) -> list[EventMessage]:
        if change.kind == "begun":
            self.num_events += 1
            if not self._is_wanted(change.span):
                self.num_unsent += 1
                return []
            self._number = 0
        elif self._sent is None:
            return []  # this event was not sent
        event = self._describe(change, network)
        before = self._sent
        if change.kind == "grown" and before is not None and _says_nothing_new(event, before):
            return []
        message = EventMessage(
            type={"begun": "new", "grown": "update", "ended": "end"}[change.kind],
            id=f"{event.id}.{self._number}",
            before=before,
            after=event,
            note=note,
        )
        self._number += 1
        self._sent = event
        if change.kind == "ended":
            self._sent, self._last_end = None, change.span.end
        return [message]

    def _is_wanted(self, span: LiveSpan) -> bool:
        is_cool = span.start - self._last_end >= self._config.cooldown_seconds
        return is_cool and is_due(self._config.periods, datetime.fromtimestamp(span.start))

    def _describe(self, change: Change, network: "_Network") -> LiveEvent:
        span = change.span
        return LiveEvent(
            id=f"{self._prefix}-{round(span.start * 1000)}",
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
        ).rounded()


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
