"""The pages about `starter`: every figure in them comes from the run that writes them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import dedent

import numpy as np
from numpy.typing import NDArray
from starter_data import AUDIBLE, CLASSES, NUM_FOLDS, SIZE, VISIBLE, Material
from starter_folds import LINEAR, PROBE, PROPERTIES, OutOfFold, recipe_of
from starter_measures import (
    ALARMS_PER_HOUR,
    KINDS,
    Counted,
    Shifts,
    clip_auc,
    clip_gain,
    clip_peaks,
    count,
    difference,
    frame_aps,
    ordinary_alarms,
    video_means,
)

from avadclip.evaluation.metrics.thresholds import rate_bound
from avadclip.events import Thresholds
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, TEACHER, VISUAL_STUDENT

TITLES = {PROBE: "control: linear probe of picture and sound"}


@dataclass(frozen=True)
class Measured:
    """Scores of every seed, and what was chosen by them."""

    material: Material
    runs: Mapping[int, OutOfFold]
    shifts: Shifts
    thresholds: Mapping[str, Thresholds]

    @cached_property
    def seeds(self) -> list[OutOfFold]:
        """The runs."""
        return list(self.runs.values())

    @cached_property
    def audible(self) -> NDArray[np.bool_]:
        """Clips with usable sound, [N]."""
        return np.array([bag.load().has_usable_sound for bag in self.material.fights])

    @cached_property
    def truth(self) -> NDArray[np.bool_]:
        """Fights among the clips, [N]."""
        return np.array([bag.is_anomalous for bag in self.material.fights])

    def peaks(self, name: str) -> list[NDArray[np.float64]]:
        """Of every clip, per seed."""
        return [clip_peaks(run, self.material, name) for run in self.seeds]

    @cached_property
    def default(self) -> str:
        """The network for picture and sound: of those that are not shown to be worse than the visual student on audible
        clips, the one with the best AP over all events of the composed test."""
        candidates = [VISUAL_STUDENT]
        for name in (TEACHER, BOTH_STUDENTS):
            _, _, high = clip_gain(self.material, self.peaks(name), self.peaks(VISUAL_STUDENT), self.audible)
            candidates += [name] if high >= 0.0 else []
        return max(candidates, key=lambda name: np.mean([frame_aps(run, name)["all"] for run in self.seeds]))


def write_card(measured: Measured) -> str:
    """docs/starter.md."""
    own = measured.material
    minutes = sum(bag.load().duration_seconds for bag in own.ordinary) / 60
    threshold = measured.thresholds[measured.default].detection
    tagger = own.encoders.tagger
    with_sounds = count(measured.seeds, measured.default, threshold, tagger)
    alone = count(measured.seeds, measured.default, threshold, None)
    hours = with_sounds.plain_hours + minutes / 60 * len(measured.runs)
    on_ordinary = [len(ordinary_alarms(run, own, measured.default, threshold)) for run in measured.seeds]
    return dedent("""\
    # Model card: `starter`

    A **small demonstration model** that ships with the package, so that `avadclip detect` works at once on any machine. It
    knows {classes}; screams, breaking glass and sirens are named by the audio tagger. It is neither a product nor a
    basis for decisions about people; see [intended use](intended-use.md).

    | | |
    |---|---|
    | networks | teacher, visual student, audio student, D = {width}, variant `{variant}`, each by the product's own training; no distillation, which showed no gain for the visual student ([composed data](composed.md)) |
    | default for picture and sound | **{default}** (`--network` chooses another): the best on the composed test of those not shown to be worse than the visual student on audible clips; silent video: visual student |
    | encoders | `lite`, frozen: EfficientNet-Lite0 (ImageNet) with motion energy; YAMNet (AudioSet) |
    | training data | {num_sequences} **composed** sequences of 21 s (real footage and real sounds, chance pairs) from {num_recordings} recordings; {num_clips} CCTV clips of 2 s and {num_ordinary} ordinary videos. One label per sequence or video, no times |
    | who learns what | the visual student {visible}, from the clips, the ordinary videos and every fourth composed sequence; the audio student {audible}, from all: what a modality cannot show is normal to it. The teacher learns all classes, from composed sequences |
    | recipes | `configs/starter/*.toml`, last epoch, chosen on folds of other seeds (100, 101) of the same recordings. That the audio student also learns the clips, as normal, and how often alarms may come was settled with the folds below in view: their figures are optimistic |
    | repeat | `AVADCLIP_DATA=... make starter` |

    ## Measured

    **Out of fold by session**: {num_folds} folds, no session in training and test, {num_seeds} seeds (folds, sequences and weights drawn anew), mean
    ± standard deviation over seeds, [95 % bootstrap interval over sessions]. The shipped weights are trained on everything
    by the same recipes and were not measured themselves. Share-alike sounds are in the test alone.

    Sessions are few, above all of gunshots. Recordings and (sessions) of every fold, seed {first_seed}:

    {fold_table}

    ### Composed test

    Snippets, AP in percent; of other kinds of event left out. Composed: it says nothing about how often the sound of a real event belongs to its picture.

    {ap_table}

    {default} less the linear probe, audible only: {gain}. Scores replaced by their sequence's mean: {means} over all events.

    At the shipped threshold, events that are only audible, all seeds:

    | | with named sounds | without |
    |---|---|---|
    {count_rows}

    ### Real videos

    Fights: [the page](fights.md). The {num_ordinary} ordinary videos ({minutes:.1f} minutes, out of fold): {ordinary} events of the model by
    seed; with none, up to {bound:.0f} an hour remain possible (95 %). It takes hours of your own footage to know more: `avadclip calibrate`.

    ## Thresholds

    At or above the thresholds, footage without events (the ordinary videos, and composed sequences of plain backgrounds;
    {hours:.2f} hours, all seeds) raised {rate:g} alarms an hour or less: {allowed} in all.

    | | detection | alert |
    |---|---|---|
    {threshold_rows}

    ## Footage unlike the training

    The checkpoint knows how far the fight clips and ordinary videos lie from each other, recording by recording. A video
    farther than 95 % of them gets a note, and none of its events is an alert ([how](how-it-works.md)). Films,
    drawings and test pictures are noticed; a turned or mirrored copy of a training clip is not.

    ## Recordings that were learned from

    {licences}
    """).format(
        classes=", ".join(f"`{name}`" for name in CLASSES),
        width=recipe_of(VISUAL_STUDENT).network.embed_dim,
        variant=recipe_of(VISUAL_STUDENT).network.variant,
        default=measured.default,
        num_sequences=SIZE.num_sequences["train"] * NUM_FOLDS,
        num_recordings=sum(not each.share_alike for each in own.recordings),
        num_clips=len(own.fights),
        num_ordinary=len(own.ordinary),
        visible=", ".join(VISIBLE),
        audible=", ".join(AUDIBLE),
        licences=_licences(own),
        num_folds=NUM_FOLDS,
        num_seeds=len(measured.runs),
        first_seed=next(iter(measured.runs)),
        fold_table=_fold_table(own, next(iter(measured.runs))),
        ap_table=_ap_table(measured),
        gain=_points(difference(measured.seeds, measured.default, PROBE, "audible")),
        means=_spread([video_means(run, measured.default) for run in measured.seeds]),
        count_rows=_count_rows(with_sounds, alone),
        minutes=minutes,
        ordinary=", ".join(map(str, on_ordinary)),
        bound=rate_bound(0, minutes / 60),
        hours=hours,
        rate=ALARMS_PER_HOUR,
        allowed=int(ALARMS_PER_HOUR * hours),
        threshold_rows=_threshold_rows(measured.thresholds),
    )


def write_fights(measured: Measured) -> str:
    """docs/fights.md."""
    everything = np.ones(len(measured.truth), dtype=bool)
    names = [BOTH_STUDENTS, VISUAL_STUDENT, TEACHER, AUDIO_STUDENT, LINEAR, PROPERTIES]
    rows = [
        f"| {name} | {_auc(measured, name, everything)} | {_auc(measured, name, measured.audible)} |" for name in names
    ]
    pairs = [
        ("does the network use more than file properties?", VISUAL_STUDENT, PROPERTIES, everything),
        ("more than a linear layer?", VISUAL_STUDENT, LINEAR, everything),
        ("does sound cost anything?", BOTH_STUDENTS, VISUAL_STUDENT, measured.audible),
        ("is the teacher as good?", TEACHER, VISUAL_STUDENT, measured.audible),
    ]
    gains = []
    for question, own, other, which in pairs:
        mean, low, high = clip_gain(measured.material, measured.peaks(own), measured.peaks(other), which)
        shown = "not shown: the interval holds zero" if low <= 0 <= high else "yes" if mean > 0 else "no"
        gains.append(
            f"| {question} | {own} less {other.removeprefix('control: ')} | {mean:+.3f} [{low:+.2f}, {high:+.2f}] | {shown} |"
        )
    threshold = measured.thresholds[measured.default].detection
    flagged, false = (
        np.mean([(peaks[which] >= threshold).mean() for peaks in measured.peaks(measured.default)])
        for which in (measured.truth, ~measured.truth)
    )
    at_tenth = np.mean(
        [
            (peaks[measured.truth] > np.quantile(peaks[~measured.truth], 0.9)).mean()
            for peaks in measured.peaks(measured.default)
        ]
    )
    return dedent("""\
    # Measured on real fights

    {num} real CCTV videos of about 2 s ({num_fights} fights, {num_normal} normal) from {num_sources} recordings
    (seymanurakti/fight-detection-surv-dataset, MIT), `lite` features, one label per video. They are few and small, and no
    benchmark of any paper, but the only real footage on which anybody can measure this without a download.

    **Out of fold by recording**, {num_seeds} seeds, mean over seeds [95 % bootstrap interval over recordings], by the networks of
    [`starter`](starter.md). Repeat with `AVADCLIP_DATA=... make starter`.

    ROC AUC of the highest snippet score of each video, scored alone; {num_audible} videos have audible sound.

    | | all videos | audible videos |
    |---|---|---|
    {rows}

    | question | paired difference | ROC AUC | answer |
    |---|---|---|---|
    {gains}

    At the shipped threshold {flagged:.0%} of the fights and {false:.0%} of the normal videos are flagged. Where a tenth of the normal ones
    may be flagged, {at_tenth:.0%} of the fights are.

    ## What this data cannot show

    - **That a network understands fights.** Fights and normal videos come from differently encoded uploads: a forest on frame
      rate, size, length and bit rate, which sees no pixel, separates them nearly as well.
    - **That sound helps.** Silent and missing tracks are spread unevenly over the classes, and music was added to many
      normal videos: no network learns the sound of these videos.
    - Other cameras, places and events: videos of two seconds, one class, mostly street and shop CCTV.
    """).format(
        num=len(measured.truth),
        num_fights=int(measured.truth.sum()),
        num_normal=int((~measured.truth).sum()),
        num_sources=len({bag.group for bag in measured.material.fights}),
        num_seeds=len(measured.runs),
        num_audible=int(measured.audible.sum()),
        rows="\n".join(rows),
        gains="\n".join(gains),
        flagged=flagged,
        false=false,
        at_tenth=at_tenth,
    )


def _auc(measured: Measured, name: str, which: NDArray[np.bool_]) -> str:
    peaks = measured.peaks(name)
    if not all(np.isfinite(each[which]).all() for each in peaks):
        return ""
    mean, low, high = clip_auc(measured.material, peaks, which)
    return f"{mean:.3f} [{low:.2f}, {high:.2f}]"


def _fold_table(own: Material, seed: int) -> str:
    of = own.folds(seed)
    lines = [f"| | {' | '.join(f'fold {fold + 1}' for fold in range(NUM_FOLDS))} |", "|---" * (NUM_FOLDS + 1) + "|"]
    for label in CLASSES[1:]:
        events = [each for each in own.recordings if each.role == "event" and each.label == label]
        clips = Counter(of[each.session] for each in events)
        sessions = Counter(of[name] for name in {each.session for each in events})
        cells = [f"{clips[fold]} ({sessions[fold]})" for fold in range(NUM_FOLDS)]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _licences(own: Material) -> str:
    """By source, its licences; `LICENCE (AUTHOR) (SOURCE)`, as the recordings state them."""
    by_source: dict[str, set[str]] = {}
    for recording in own.recordings:
        if not recording.share_alike:
            what, _, source = recording.licence.rpartition(" (")
            by_source.setdefault(source.removesuffix(")") if what else "others", set()).add(what or recording.licence)
    return "\n".join(f"- {source}: {'; '.join(sorted(found))}" for source, found in sorted(by_source.items()))


def _ap_table(measured: Measured) -> str:
    lines = ["| | all | visible only | audible only | both |", "|---|---|---|---|---|"]
    for name in (BOTH_STUDENTS, TEACHER, VISUAL_STUDENT, AUDIO_STUDENT, PROBE):
        aps = [frame_aps(run, name) for run in measured.seeds]
        cells = [_spread([each[kind] for each in aps]) for kind in KINDS]
        lines.append(f"| {TITLES.get(name, name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _count_rows(with_sounds: Counted, alone: Counted) -> str:
    def of(counted: Counted) -> list[str]:
        rate = counted.num_plain_alarms / counted.plain_hours
        bound = rate_bound(counted.num_plain_alarms, counted.plain_hours)
        return [
            f"{counted.num_found / counted.num_events:.0%} of {counted.num_events}",
            f"{counted.num_named / max(counted.num_found, 1):.0%}",
            f"{counted.num_hard_alarmed / counted.num_hard:.0%} of {counted.num_hard}",
            f"{rate:.1f} an hour, up to {bound:.1f} possible",
        ]

    titles = ["found", "of these rightly named", "hard negatives under alarm", "alarms on plain backgrounds"]
    rows = zip(titles, of(with_sounds), of(alone), strict=True)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _threshold_rows(thresholds: Mapping[str, Thresholds]) -> str:
    return "\n".join(
        f"| {name} | {chosen.detection:.3f} | {'none' if chosen.alert is None else f'{chosen.alert:.3f}'} |"
        for name, chosen in thresholds.items()
    )


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def _points(value: tuple[float, float, float]) -> str:
    mean, low, high = value
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
