"""The authors' published networks as a checkpoint of ours, with all that is known of how they were trained."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from avadclip.encoders.base import Identity
from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_text import ClipTextEncoder, ClipTokenizer
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.convert import refuse_to_overwrite, write_clip_folder
from avadclip.encoders.downloads.hub import CLIP_FILES
from avadclip.encoders.load import EncoderOptions
from avadclip.encoders.wav2clip import Wav2ClipEncoder
from avadclip.encoders.weights import find_clip, find_tokenizer, has_clip_weights, load_clip
from avadclip.errors import CheckpointError, WeightsError
from avadclip.events import UNVALIDATED
from avadclip.features.snippets import Provenance
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.inference.networks import VISUAL_STUDENT
from avadclip.inference.published_weights.card import AVADCLIP, VADCLIP, Release, write_card
from avadclip.inference.published_weights.networks import (
    CLASSES,
    FEATURE_DIM,
    PUBLISHED_BY,
    ReleasedFile,
    ReleasedKind,
    read_released,
)
from avadclip.model.base import System
from avadclip.model.class_text import FixedClassVectors, PromptedClassText
from avadclip.timeline import SnippetGrid

_UNSETTLED_SOUND: Identity = {
    "name": Wav2ClipEncoder.name,
    "weights_sha256": None,
    "window_seconds": None,
    "normalisation": None,
    "precision": None,
}
_CLIP_PARTS = ("vision_model.", "visual_projection.", "text_model.", "text_projection.")  # all but its temperature


def convert_released(
    teacher: Path, student: Path, out: Path, *, clip_folder: Path | None = None, keep_encoder: Path | None = None
) -> Checkpoint:
    """Write the authors' teacher and visual student as one checkpoint.

    Args:
        teacher: model_xd_t.pth
        student: model_xd_s.pth
        out: the checkpoint to write.
        clip_folder: CLIP's tokenizer, else taken from the Hugging Face cache, and its weights for files without a CLIP.
        keep_encoder: folder to write CLIP into, as `--encoders clip:FOLDER` takes it.

    Raises:
        CheckpointError: a file does not hold the network it is given as.
        WeightsError: a file cannot be read, CLIP or its tokenizer is missing, or a result exists already.
    """
    return _convert(AVADCLIP, {"teacher": teacher, "visual student": student}, out, clip_folder, keep_encoder)


def convert_vadclip(
    source: Path, out: Path, *, clip_folder: Path | None = None, keep_encoder: Path | None = None
) -> Checkpoint:
    """Write VadCLIP's model_xd.pth as a checkpoint with one visual student; the rest as convert_released."""
    return _convert(VADCLIP, {"VadCLIP": source}, out, clip_folder, keep_encoder)


def _convert(
    release: Release,
    sources: Mapping[ReleasedKind, Path],
    out: Path,
    clip_folder: Path | None,
    keep_encoder: Path | None,
) -> Checkpoint:
    refuse_to_overwrite(out)
    if keep_encoder is not None:
        refuse_to_overwrite(keep_encoder / CLIP_FILES[0])
    files = {path: read_released(path, kind) for kind, path in sources.items()}
    _check_classes(files)
    origin, clip = _find_clip(files, clip_folder)
    tokenizer = find_tokenizer(*(folder for folder in (clip_folder, keep_encoder) if folder is not None))
    text = ClipTextEncoder(clip, ClipTokenizer(tokenizer))
    networks: dict[str, System] = {}
    for kind, file in zip(sources, files.values(), strict=True):
        network = file.trained.network
        network.class_text = FixedClassVectors(_class_features(file.trained.prompt_table, text))
        network.name = VISUAL_STUDENT if kind == "VadCLIP" else kind
        networks[network.name] = network.frozen()
    folder = keep_encoder or (clip_folder if origin == clip_folder else None)
    header = CheckpointHeader(
        name=release.name,
        classes=CLASSES,
        encoders="clip" if folder is None else f"clip:{folder.absolute()}",
        encoder_options=EncoderOptions(framing="published", sound=release.uses_audio),
        features=_provenance(clip, uses_audio=release.uses_audio),
        visual_dim=FEATURE_DIM,
        audio_dim=FEATURE_DIM if release.uses_audio else 0,
        network=release.config,
        thresholds=dict.fromkeys(networks, UNVALIDATED),
        selection=dict.fromkeys(networks, "test"),
        card=write_card(
            release, list(files), "the CLIP inside the files" if origin in files else f"the CLIP in {origin}"
        ),
    )
    checkpoint = Checkpoint(header, networks)
    if keep_encoder is not None:
        write_clip_folder(clip, tokenizer, keep_encoder)
    save_checkpoint(out, checkpoint)
    return checkpoint


def _check_classes(files: Mapping[Path, ReleasedFile]) -> None:
    for path, file in files.items():
        alpha = file.trained.alpha
        if alpha is not None and len(alpha) != len(CLASSES):
            raise CheckpointError(
                f"{path} knows {len(alpha)} classes (alpha), needed the {len(CLASSES)} of XD-Violence; "
                f"use the files that {PUBLISHED_BY} links"
            )


def _find_clip(files: dict[Path, ReleasedFile], folder: Path | None) -> tuple[Path, Clip]:
    """The one CLIP of the files and the folder, and where it was found; several have to be the same."""
    found = {path: file.clip for path, file in files.items() if file.clip is not None}
    if folder is not None and (not found or has_clip_weights(folder)):
        found[folder] = load_clip(find_clip(folder).weights)
    if not found:
        raise WeightsError(
            f"neither {' nor '.join(map(str, files))} holds a CLIP (clipmodel.*), needed for the class words; "
            "name a folder with CLIP ViT-B/16 by `--clip FOLDER` (see `avadclip weights list`)"
        )
    (first, clip), *others = found.items()
    expected = clip.sha256(*_CLIP_PARTS)
    for path, other in others:
        if other.sha256(*_CLIP_PARTS) != expected:
            raise WeightsError(
                f"{path} holds another CLIP than {first}, needed one and the same; use the files as published"
            )
    return (folder if folder in found else first), clip


def _class_features(prompt_table: Tensor, text: ClipTextEncoder) -> Tensor:
    """X_c, [C, 512], through the prompts that were learned."""
    class_text = PromptedClassText(CLASSES, text)
    with torch.no_grad():
        class_text.prompts.table.copy_(prompt_table)
        features: Tensor = class_text()
    return features


def _provenance(clip: Clip, *, uses_audio: bool) -> Provenance:
    """How the published features were made; None for what the authors do not state."""
    visual = ClipVisualEncoder(clip, framing="published").identity()
    return Provenance(
        grid=SnippetGrid(),
        visual={**visual, "frame_offsets": None, "num_crops": None},
        audio=_UNSETTLED_SOUND if uses_audio else None,
    )
