"""Composed sequences with all of their picture or sound damaged, for `avadclip robustness`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from avadclip.data.composed.dataset import FEATURES_FOLDER, plan_composed, split_spec
from avadclip.data.composed.features import SequenceFeatures
from avadclip.data.composed.plan import PictureDamaged, SequencePlan, SoundDamaged
from avadclip.data.composed.recordings import GRID
from avadclip.data.damage import FeatureDamage
from avadclip.data.synthetic import Split
from avadclip.encoders.load import load_encoders
from avadclip.features.snippets import SnippetFeatures
from avadclip.labels import NORMAL
from avadclip.media.damage import DamageName


class SequenceDamage:
    """Features of sequences under a damage that takes the place of their own damage of that modality.

    Pictures and samples are damaged before they are encoded. Foreign and late sound are rows of features, of another
    sequence or later: a sound window of another snippet is encoded alike.

    Args:
        plans: of the sequences.
        features: makes them.
    """

    of: Literal["videos"] = "videos"

    def __init__(self, plans: Sequence[SequencePlan], features: SequenceFeatures) -> None:
        self._plans, self._features = plans, features
        self._rows = FeatureDamage([features.bag(plan, (NORMAL,), is_weak=False) for plan in plans], GRID)

    def __call__(self, index: int, damage: DamageName) -> SnippetFeatures:
        """Features of sequence number `index` under a damage; their provenance names it."""
        plan = self._plans[index]
        match damage:
            case "black" | "dark" | "half covered":
                plan = plan._replace(picture_damage=PictureDamaged(damage, 0, plan.num_snippets))
            case "muted":
                plan = plan._replace(sound_damage=SoundDamaged("missing", "", 0, plan.num_snippets))
            case "noisy":
                plan = plan._replace(sound_damage=SoundDamaged("noisy", "", 0, plan.num_snippets))
            case "foreign" | "late":
                return self._rows(index, damage)
        features = self._features.bag(plan, (NORMAL,), is_weak=False).load()
        assert features.provenance is not None, "composed features have one"
        named = features.provenance.model_copy(update={"damage": {"name": damage, "of": self.of}})
        return replace(features, provenance=named)


def composed_damage(spec: str, split: Split, *, features: Path | None = None, seed: int = 0) -> SequenceDamage:
    """Damage of a split of `SIZE:FOLDER`; arguments and errors as load_composed."""
    size, folder = split_spec(spec)
    plan = plan_composed(size, folder, seed=seed)
    made = SequenceFeatures(plan.recordings, load_encoders("lite"), features or folder / FEATURES_FOLDER)
    return SequenceDamage(plan.sequences[split], made)
