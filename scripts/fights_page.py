"""The page on the shared fights: every figure in it comes from the run that writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from fights_folds import (
    CLIPS_PER_SEQUENCE,
    FIGHTS_PER_SEQUENCE,
    NUM_FOLDS,
    SEQUENCES_PER_FOLD,
    OutOfFold,
    bootstrap_interval,
    clip_aucs,
    frame_metrics,
    is_audible,
    truth_of,
)
from numpy.typing import NDArray

from avadclip.data.bags import Bag

CONTROL = "control: file properties, no pixels"
ARRANGEMENTS = ("alone", "isolated", "blocks")


@dataclass(frozen=True)
class Measured:
    """Every system over several seeds."""

    bags: Sequence[Bag]
    runs: Mapping[str, Sequence[OutOfFold]]
    control: Sequence[NDArray[np.float64]]
    """Per seed, out-of-fold scores of every clip."""

    def clip_scores(self, name: str) -> list[NDArray[np.float64]]:
        """[N] per seed; NaN for clips that the system is not measured on."""
        return list(self.control) if name == CONTROL else [run.clip_scores for run in self.runs[name]]

    def covers(self, name: str) -> NDArray[np.bool_]:
        """The clips that a system is measured on, [N]."""
        return np.isfinite(self.clip_scores(name)[0])

    def auc(self, name: str, which: NDArray[np.bool_]) -> str:
        """Mean ± deviation over seeds, and the interval, on some of the clips."""
        bags = [bag for bag, is_in in zip(self.bags, which, strict=True) if is_in]
        scores = [each[which] for each in self.clip_scores(name)]
        low, high = bootstrap_interval(bags, scores)
        return f"{spread(clip_aucs(bags, scores))} [{low:.2f}, {high:.2f}]"

    def gain(self, name: str, baseline: str) -> tuple[str, bool]:
        """Paired difference on the clips that both are measured on with its interval, and whether that holds zero."""
        which = self.covers(name) & self.covers(baseline)
        bags = [bag for bag, is_in in zip(self.bags, which, strict=True) if is_in]
        own, other = ([each[which] for each in self.clip_scores(each_name)] for each_name in (name, baseline))
        low, high = bootstrap_interval(bags, own, baseline=other)
        mean = np.mean(clip_aucs(bags, own)) - np.mean(clip_aucs(bags, other))
        return f"{mean:+.3f} [{low:+.2f}, {high:+.2f}]", low <= 0.0 <= high

    def frames(self, name: str, arrangement: str) -> str:
        """Mean frame ROC AUC / AP over seeds."""
        aucs, precisions = zip(*(frame_metrics(run.pooled[arrangement]) for run in self.runs[name]), strict=True)
        return f"{np.mean(aucs):.3f} / {np.mean(precisions):.3f}"


def write_page(measured: Measured, *, student: str, plain_student: str, teacher: str) -> str:
    """Markdown.

    Args:
        measured: all systems.
        student: name of the distilled visual student.
        plain_student: of the same without a teacher.
        teacher: of the teacher.
    """
    audible, everything = is_audible(measured.bags), np.ones(len(measured.bags), dtype=bool)
    names = [*measured.runs, CONTROL]
    clip_rows = [
        f"| {name} | {measured.auc(name, everything) if measured.covers(name).all() else ''} "
        f"| {measured.auc(name, audible)} |"
        for name in names
    ]
    gains = [
        (student, CONTROL, "does the network use more than file properties?"),
        (student, plain_student, "does distillation help?"),
        (teacher, student, "does sound help?"),
    ]
    gain_rows = []
    for name, baseline, question in gains:
        difference, holds_zero = measured.gain(name, baseline)
        answer = (
            "not shown: the interval contains zero" if holds_zero else "yes" if difference[0] == "+" else "no, it costs"
        )
        gain_rows.append(f"| {question} | {name} minus {baseline.partition(':')[0]} | {difference} | {answer} |")
    frame_rows = [
        f"| {name} | {' | '.join(measured.frames(name, arrangement) for arrangement in ARRANGEMENTS)} |"
        for name in measured.runs
    ]
    truth = truth_of(measured.bags)
    return f"""# Measured on real fights

{len(measured.bags)} real CCTV videos of about 2 s ({int(truth.sum())} fights, {int((1 - truth).sum())} normal) from {len({bag.group for bag in measured.bags})} recordings
(seymanurakti/fight-detection-surv-dataset, MIT), `lite` features, one label per video. They are few and small, and no benchmark
of any paper, but the only real footage on which anybody can measure these systems without a download.

All figures are **out of fold by recording**: {NUM_FOLDS} folds, no recording in both training and test, {len(measured.control)} seeds (folds, weights
and sequences drawn anew), mean ± standard deviation over seeds, [95 % bootstrap interval over recordings]. Head: classifier.
Selection: last epoch. Every system has the same recipe (`configs/starter.toml`) except for the change in its name, the same folds and
the same sequences. The recipe was chosen from about a dozen by the plain visual student on these folds, so its figures are
optimistic. Repeat with `AVADCLIP_DATA=... make starter`.

## Per video

ROC AUC of the highest snippet score of each video, scored alone; {int(audible.sum())} videos have audible sound.

| | all videos | audible videos |
|---|---|---|
{chr(10).join(clip_rows)}

A student is distilled from the teacher of its own fold, where videos are audible, and learns from labels everywhere. "VadCLIP-like" is the visual
network without enhancement blocks, focal loss and teacher. "Zero features" gets zeros for every snippet. The control is a
random forest on frame rate, size, length and bit rate.

| question | paired difference | ROC AUC | answer |
|---|---|---|---|
{chr(10).join(gain_rows)}

## Frame level

ROC AUC / AP over all snippets: videos scored alone, and sequences of {CLIPS_PER_SEQUENCE} videos ({FIGHTS_PER_SEQUENCE} fights, {SEQUENCES_PER_FOLD} sequences per fold and seed, fixed
by seed) with fights isolated (one in every four videos) or all in one block. A random score gets ROC AUC .5, and AP .25 in sequences.

| | alone | isolated | block |
|---|---|---|---|
{chr(10).join(frame_rows)}

## What this data cannot show

- **That a network understands fights.** File properties alone separate the classes: fights and normal videos come from
  differently encoded uploads. Only the difference to the control counts; its interval is given above.
- **That sound helps.** Sound and class are confounded: silent and missing tracks are spread unevenly over the classes, so
  teacher and audio student are trained on audible videos only, where the picture alone is as good.
- **That distillation helps.** A teacher that is no better than its student cannot improve it. See [composed data](composed.md)
  for distillation where sound does carry events.
- **Frame-level skill.** One model gets very different figures from the arrangement of the same videos: smoothing over
  neighbours strengthens a block and suppresses a single fight. A frame AUC on composed video says as much about the composition as about the model.
- Other cameras, places and events: videos of two seconds, one class, mostly street and shop CCTV.
"""


def spread(values: Sequence[float]) -> str:
    """Mean ± deviation."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
