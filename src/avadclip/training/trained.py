"""The checkpoint of a trained network: everything that scoring needs to know of the run."""

from avadclip.config import Selection, TrainingConfig
from avadclip.data.bags import Dataset, feature_widths
from avadclip.encoders.load import EncoderOptions
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader
from avadclip.inference.networks import TEACHER
from avadclip.model.base import System


def encoder_options(provenance: Provenance | None) -> EncoderOptions:
    """How detection loads the encoders, so that its features are made as those of training were."""
    if provenance is None:
        return EncoderOptions()
    return EncoderOptions.behind(provenance.visual, provenance.audio, provenance.grid.snippet_frames)


def trained_checkpoint(
    config: TrainingConfig,
    dataset: Dataset,
    trained: System,
    *,
    thresholds: Thresholds,
    selection: Selection,
    teacher: Checkpoint | None,
    card: str,
) -> Checkpoint:
    """The trained network; a student's checkpoint also has its teacher, with thresholds and selection of its own."""
    kind = config.network_kind
    visual_dim, audio_dim = feature_widths(dataset.train)
    provenance = dataset.train[0].stored.provenance
    header = CheckpointHeader(
        name=f"{dataset.name} {kind}",
        classes=dataset.classes,
        encoders=config.encoders,
        encoder_options=encoder_options(provenance),
        features=provenance or Provenance(grid=dataset.grid, visual={"name": dataset.name}, audio=None),
        visual_dim=visual_dim,
        audio_dim=audio_dim,
        network=config.network,
        thresholds={kind: thresholds},
        selection={kind: selection},
        card=card,
    )
    if teacher is None:
        return Checkpoint(header, {kind: trained})
    carried = {
        "thresholds": {TEACHER: teacher.header.thresholds[TEACHER], kind: thresholds},
        "selection": {TEACHER: teacher.header.selection[TEACHER], kind: selection},
    }
    return Checkpoint(header.model_copy(update=carried), {TEACHER: teacher.networks[TEACHER], kind: trained})
