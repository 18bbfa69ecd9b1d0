"""Causal scoring: a snippet's score depends on the past, and on no more future than the config allows."""

from collections import deque
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.apps.live.config import ScoringConfig
from avadclip.apps.live.live_snippet import LiveSnippet
from avadclip.apps.live.spans import ScoredSnippet
from avadclip.encoders.base import SoundTags
from avadclip.events import Modality, ScoreTrack, Thresholds
from avadclip.features.extract import provenance_of, skipper
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.streams import HeardWindows, WindowEncoder
from avadclip.inference.detector import Detector
from avadclip.inference.named_sounds import sounds_during
from avadclip.inference.scorers import Verdict
from avadclip.inference.scoring import SnippetScores, to_track
from avadclip.media.mono import SILENCE_DBFS

HOLE_SECONDS = 5.0  # snippets before a longer gap are not used as context
STEADY_SNIPPETS = (
    8  # consecutive snippets with sound before the teacher scores again: stuttering sound counts as missing
)


class Judgement(NamedTuple):
    """One snippet's score, and the network that computed it."""

    snippet: ScoredSnippet
    network: str
    modality: Modality
    reason: str
    """Why this network was chosen, one phrase."""
    classes: tuple[str, ...]
    """Its class names, `normal` first."""
    thresholds: Thresholds
    due: float
    """See LiveSnippet."""
    tags: SoundTags | None = None
    """The snippet's named sounds, one row, whichever network scored it; None without sound or a tagger."""


class _Row(NamedTuple):
    start: float
    end: float
    due: float
    visual: NDArray[np.float32]  # [K, 1, Dv]
    audio: NDArray[np.float32] | None  # [1, Da]
    tags: SoundTags | None  # one row
    peak: float
    key_frame: bytes | None


class CausalScorer:
    """Scorer of one camera's snippets in sliding windows of stride one; it stores only the window's features.

    Encoders that normalise audio do so over the stream so far.
    """

    def __init__(self, detector: Detector, config: ScoringConfig) -> None:
        self._detector = detector
        self._latency = config.latency_snippets
        self._rows: deque[_Row] = deque(maxlen=config.window_snippets)
        self._provenance = provenance_of(detector.encoders, detector.grid)
        self._stills = skipper(detector.encoders, detector.grid)
        self._windows = WindowEncoder(detector.encoders.audio, detector.encoders.tagger)

    def push(self, snippet: LiveSnippet) -> list[Judgement]:
        """Add the next snippet; return the score of the one `latency_snippets` before it, if there is one."""
        judged: list[Judgement] = []
        if self._rows and snippet.start - self._rows[-1].end > HOLE_SECONDS:
            judged = self.finish()
        self._rows.append(self._encode(snippet))
        if len(self._rows) > self._latency:
            judged += self._judge([-1 - self._latency])
        return judged

    @property
    def encoded_share(self) -> float:
        """Share of the frames that were encoded, so far."""
        return 1.0 if self._stills is None else self._stills.encoded_share

    def finish(self) -> list[Judgement]:
        """Score the snippets that waited for their future, and clear the window; for a disconnected camera."""
        waiting = min(self._latency, len(self._rows))
        judged = self._judge(list(range(-waiting, 0))) if waiting else []
        self._rows.clear()
        return judged

    def _encode(self, snippet: LiveSnippet) -> _Row:
        visual = self._encode_picture(snippet)
        heard, peak = HeardWindows(None, None), 0.0
        if snippet.sound is not None:
            heard, peak = self._windows.encode(snippet.sound[None]), float(np.abs(snippet.sound).max())
        return _Row(
            snippet.start, snippet.end, snippet.due, visual, heard.features, heard.tags, peak, snippet.key_frame
        )

    def _encode_picture(self, snippet: LiveSnippet) -> NDArray[np.float32]:
        if self._stills is not None:
            return self._stills.encode([self._stills.prepare(frame) for frame in snippet.frames], [snippet.start])
        encoder = self._detector.encoders.visual
        return encoder.encode([encoder.prepare(frame) for frame in snippet.frames])

    def _judge(self, positions: list[int]) -> list[Judgement]:
        rows = self._audible_rows() or list(self._rows)
        features = self._features(rows)
        verdict = self._detector.scorer.judge(features)
        track = to_track(
            verdict.scores, self._detector.scorer.classes, self._detector.grid, end_seconds=features.duration_seconds
        )
        reason = _reason(verdict, features)
        return [
            Judgement(
                _scored(rows[position], track, verdict.visual_scores, position),
                verdict.network,
                verdict.modality,
                reason,
                track.classes,
                verdict.thresholds,
                rows[position].due,
                rows[position].tags,
            )
            for position in positions
        ]

    def _audible_rows(self) -> list[_Row] | None:
        """The latest rows that all have sound; None if they are too few to switch the network."""
        audible = list(takewhile(lambda row: row.audio is not None, reversed(self._rows)))
        needed = max(min(STEADY_SNIPPETS, len(self._rows)), self._latency + 1)
        return audible[::-1] if len(audible) >= needed else None

    def _features(self, rows: list[_Row]) -> SnippetFeatures:
        sounds = [row.audio for row in rows if row.audio is not None]
        has_sound = len(sounds) == len(rows)
        return SnippetFeatures(
            visual=np.concatenate([row.visual for row in rows], axis=1),
            audio=np.concatenate(sounds) if has_sound else None,
            duration_seconds=rows[-1].end - rows[0].start,
            provenance=self._provenance,
            sound_is_silent=has_sound and max(row.peak for row in rows) < 10 ** (SILENCE_DBFS / 20),
        )


def _scored(row: _Row, track: ScoreTrack, seen: SnippetScores | None, position: int) -> ScoredSnippet:
    score = track.scores[position]
    gain = None if seen is None else float(score - seen.anomaly_scores[position])
    sounds = sounds_during(row.tags, np.array([row.start, row.end]), (0, 1))
    probabilities = track.class_probabilities[position]
    return ScoredSnippet(row.start, row.end, score, probabilities, gain, sounds, row.key_frame)


def _reason(verdict: Verdict, features: SnippetFeatures) -> str:
    """Phrase the reason for streams; the scorer's own reasons are about files."""
    if features.has_usable_sound:
        return "picture and sound" if verdict.modality == "audio-visual" else verdict.reason
    return "the sound is silent" if features.sound_is_silent else "no steady sound"
