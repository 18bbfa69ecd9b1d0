"""The starter's model card: every figure in it comes from the run that writes it."""

from collections.abc import Mapping

import numpy as np
from fights_folds import NUM_FOLDS, is_audible, truth_of
from fights_page import ARRANGEMENTS, CONTROL, Measured

from avadclip.config import TrainingConfig
from avadclip.events import Thresholds


def write_card(
    recipe: TrainingConfig,
    measured: Measured,
    shipped: Mapping[str, str],
    thresholds: Mapping[str, Thresholds],
) -> str:
    """Markdown.

    Args:
        recipe: of the networks.
        measured: all systems, out of fold.
        shipped: per network in the checkpoint, the name of the system that was measured.
        thresholds: per network.
    """
    student, teacher = shipped["visual student"], shipped["teacher"]
    bags = measured.bags
    truth, audible = truth_of(bags), is_audible(bags)
    everything = np.ones(len(bags), dtype=bool)
    gain, holds_zero = measured.gain(student, CONTROL)
    num_sources = len({bag.group for bag in bags})
    return f"""# Model card: `starter`

A **small demonstration model** that ships with the package, so that `avadclip detect` works at once on any machine.
It knows two classes, `normal` and `fighting`, and was trained on {len(bags)} short videos. It is
neither a product nor a basis for decisions about people; see [intended use](intended-use.md).

| | |
|---|---|
| networks | audio-visual teacher, and visual student distilled from it (uncertainty-weighted, weight {recipe.distillation.weight:g}); D = {recipe.network.embed_dim}, variant `{recipe.network.variant}` |
| encoders | `lite-1`, frozen: EfficientNet-Lite0 (ImageNet) with motion energy; log-mel statistics |
| training data | {len(bags)} real CCTV videos of about 2 s from {num_sources} recordings ({int(truth.sum())} fights, {int((1 - truth).sum())} normal); one label per video, no times. The teacher was trained on the {int(audible.sum())} with audible sound |
| training data's origin | seymanurakti/fight-detection-surv-dataset, MIT; footage from public web video |
| recipe | `configs/starter.toml`, {recipe.optimizer.epochs} epochs, last epoch taken (selection: `last`) |
| repeat | `AVADCLIP_DATA=... make starter` |

## Measured

All figures are **out of fold by recording**: {NUM_FOLDS} folds, no recording in both training and test, scores pooled over
folds, {len(measured.control)} seeds, mean ± standard deviation over seeds, [95 % bootstrap interval over recordings]. Head: classifier. The shipped
weights are trained on all videos by the same recipe, and were not measured themselves. The recipe was chosen from about a
dozen on these same folds, so the figures are optimistic. [More systems on the same folds](fights.md).

| per video, highest snippet score | videos | ROC AUC |
|---|---|---|
| visual student | all {len(bags)} | {measured.auc(student, everything)} |
| control: random forest on frame rate, size, length and bit rate, no pixels | all {len(bags)} | {measured.auc(CONTROL, everything)} |
| visual student minus control | all {len(bags)} | {gain} |
| teacher | {int(audible.sum())} audible | {measured.auc(teacher, audible)} |
| visual student, the same videos | {int(audible.sum())} audible | {measured.auc(student, audible)} |

Frame level: videos scored alone, and composed sequences of 40 videos with ten fights isolated (one in every four videos) or in one
block. A random score gets ROC AUC .5, and AP .25 in sequences.

| frame ROC AUC / AP | alone | isolated | block |
|---|---|---|---|
| visual student | {_frames(measured, student)} |
| teacher | {_frames(measured, teacher)} |

## What these figures mean

- **The network smooths over neighbouring snippets.** Fights in a block of twenty seconds stand out; a fight of two seconds
  between normal videos is nearly lost: a frame AUC on composed video says as much about the
  composition as about the model.
- **File properties alone separate the classes** (the control row): fights and normal videos come from differently encoded
  uploads. What the model adds is the difference to that row{", and its interval contains zero: this data does not show that the model uses more than file properties" if holds_zero else ""}.
- **Sound adds nothing here.** Sound and class are confounded in this data (who has a sound track, who a silent one), so the
  teacher was trained on audible videos only. Expect no difference between teacher and visual student, and read an event's
  "sound gain" as the network's behaviour, not as evidence.
- Videos of two seconds, one kind of event, indoor and street CCTV: other cameras, places and events are untested.

## Thresholds

Chosen on the out-of-fold video scores above: of the videos at or above `detection`, 75 % were fights, at or above `alert` 90 %.
Half of all videos here are fights; in ordinary video, where hardly anything is, far fewer events will be real.

| | detection | alert |
|---|---|---|
{_threshold_rows(thresholds)}
"""


def _frames(measured: Measured, name: str) -> str:
    return " | ".join(measured.frames(name, arrangement) for arrangement in ARRANGEMENTS)


def _threshold_rows(thresholds: Mapping[str, Thresholds]) -> str:
    return "\n".join(
        f"| {kind} | {chosen.detection:.3f} | {'none' if chosen.alert is None else f'{chosen.alert:.3f}'} |"
        for kind, chosen in thresholds.items()
    )
