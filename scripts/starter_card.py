"""The starter's model card: every figure in it comes from the run that writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from starter_folds import (
    CLIPS_PER_SEQUENCE,
    FIGHTS_PER_SEQUENCE,
    NUM_FOLDS,
    SEQUENCES_PER_FOLD,
    OutOfFold,
    bootstrap_interval,
    frame_metrics,
    truth_of,
)

from avadclip.config import NetworkKind, TrainingConfig
from avadclip.data.bags import Bag
from avadclip.events import Thresholds


@dataclass(frozen=True)
class Measured:
    """One kind of network, several seeds."""

    bags: Sequence[Bag]
    runs: Sequence[OutOfFold]

    def clip_aucs(self) -> list[float]:
        """Per-clip ROC AUC of every seed."""
        return [float(roc_auc_score(truth_of(self.bags), run.clip_scores)) for run in self.runs]


def write_card(
    recipe: TrainingConfig,
    measured: Mapping[NetworkKind, Measured],
    thresholds: Mapping[NetworkKind, Thresholds],
    control: Sequence[NDArray[np.float64]],
) -> str:
    """Markdown."""
    student, teacher = measured["visual student"], measured["teacher"]
    truth = truth_of(student.bags)
    scores = [run.clip_scores for run in student.runs]
    low, high = bootstrap_interval(student.bags, scores)
    gain_low, gain_high = bootstrap_interval(student.bags, scores, baseline=control)
    audible = np.array([bag.features.has_usable_sound for bag in student.bags])
    student_audible = [float(roc_auc_score(truth[audible], run[audible])) for run in scores]
    teacher_low, teacher_high = bootstrap_interval(teacher.bags, [run.clip_scores for run in teacher.runs])
    control_aucs = [float(roc_auc_score(truth, run)) for run in control]
    num_sources = len({bag.group for bag in student.bags})
    return f"""# Model card: `starter`

A **small demonstration model** that ships with the package, so that `avadclip detect` works on any machine at once.
It knows two classes, `normal` and `fighting`, and has seen {len(student.bags)} short clips in its life. It is not
a product, and no basis for decisions about people; see [intended use](intended-use.md).

| | |
|---|---|
| networks | audio-visual teacher and visual student, D = {recipe.network.embed_dim}, variant `{recipe.network.variant}`; no distillation yet |
| encoders | `lite`, frozen: EfficientNet-Lite0 (ImageNet) with motion energy; log-mel statistics |
| training data | {len(student.bags)} real CCTV clips of about 2 s from {num_sources} recordings ({int(truth.sum())} fights, {int((1 - truth).sum())} normal); one label per clip, no times |
| training data's origin | seymanurakti/fight-detection-surv-dataset, MIT; footage from public web video |
| recipe | `configs/starter.toml`, {recipe.optimizer.epochs} epochs, last epoch taken (selection: `last`) |
| repeat | `AVADCLIP_DATA=... make starter` |

## Measured

All figures are **out of fold by source**: {NUM_FOLDS} folds, no recording in both training and test, scores pooled over
folds, {len(student.runs)} seeds (folds, weights and sequences drawn anew), mean ± standard deviation over seeds. Head: classifier. The interval
is a 95 % bootstrap over recordings. The shipped weights are trained on all clips by the same recipe, and were not measured
themselves. The recipe was picked from about a dozen on these same folds, so the figures lean to the bright side.

| per clip, highest snippet score | clips | ROC AUC | 95 % interval |
|---|---|---|---|
| visual student | all {len(student.bags)} | {_spread(student.clip_aucs())} | {low:.3f} .. {high:.3f} |
| control: random forest on frame rate, size, length and bit rate, no pixels | all {len(student.bags)} | {_spread(control_aucs)} | |
| visual student minus control | all {len(student.bags)} | {_mean(student.clip_aucs()) - _mean(control_aucs):+.3f} | {gain_low:+.3f} .. {gain_high:+.3f} |
| teacher | {len(teacher.bags)} audible | {_spread(teacher.clip_aucs())} | {teacher_low:.3f} .. {teacher_high:.3f} |
| visual student, the same clips | {int(audible.sum())} audible | {_spread(student_audible)} | |

Frame level. Clips scored alone, and composed sequences of {CLIPS_PER_SEQUENCE} clips ({FIGHTS_PER_SEQUENCE} fights, {SEQUENCES_PER_FOLD} sequences per fold and seed, fixed by seed): fights
isolated (one in every four clips), or all in one block. A random score gets ROC AUC .5, and AP {_base_rate(student.runs[0].isolated):.2f} in sequences.

| frame ROC AUC / AP | alone | isolated | block |
|---|---|---|---|
| visual student | {_frames(student, "alone")} | {_frames(student, "isolated")} | {_frames(student, "blocks")} |
| teacher | {_frames(teacher, "alone")} | {_frames(teacher, "isolated")} | {_frames(teacher, "blocks")} |

## What these figures mean

- **The network smooths over its neighbours.** Fights in a block of twenty seconds stand out; a fight of two seconds
  between normal clips is nearly lost. One model, two numbers: a frame AUC on composed video says as much about the
  composition as about the model.
- **File properties alone separate the classes** (the control row): fights and normal clips come from differently encoded
  uploads. What the model adds is the difference to that row{", and its interval holds zero: on this data it is not shown that the model sees more than file properties tell" if gain_low < 0 else ""}.
- **Sound adds nothing here.** Sound and class are confounded in this data (who has a sound track, who a silent one), so the teacher
  learned from audible clips only. Expect no separation between teacher and visual student, and read an event's
  "sound gain" as what the network did, not as evidence.
- Clips of two seconds, one kind of event, indoor and street CCTV: other cameras, places and events are untested.

## Thresholds

Chosen on the out-of-fold clip scores above: of the clips at or above `detection`, 75 % were fights, at or above `alert` 90 %.
Half of all clips here are fights; in ordinary video, where next to nothing is, far fewer events will be real.

| | detection | alert |
|---|---|---|
{_threshold_rows(thresholds)}
"""


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def _frames(measured: Measured, arrangement: str) -> str:
    aucs, precisions = zip(*(frame_metrics(getattr(run, arrangement)) for run in measured.runs), strict=True)
    return f"{np.mean(aucs):.3f} / {np.mean(precisions):.3f}"


def _base_rate(pooled: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    return float(pooled[0].mean())


def _threshold_rows(thresholds: Mapping[NetworkKind, Thresholds]) -> str:
    return "\n".join(
        f"| {kind} | {chosen.detection:.3f} | {'none' if chosen.alert is None else f'{chosen.alert:.3f}'} |"
        for kind, chosen in thresholds.items()
    )
