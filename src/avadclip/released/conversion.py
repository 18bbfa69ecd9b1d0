"""The authors' published networks as a checkpoint of ours, with all that is known of how they were trained."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from avadclip import __version__
from avadclip.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.config import NetworkKind
from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_text import ClipTextEncoder, ClipTokenizer
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.convert import refuse_to_overwrite, write_clip_folder
from avadclip.encoders.load import EncoderOptions
from avadclip.encoders.wav2clip import Wav2ClipEncoder
from avadclip.encoders.weights import CLIP_FILES, find_clip, find_tokenizer, has_clip_weights, load_clip
from avadclip.errors import CheckpointError, WeightsError
from avadclip.events import UNVALIDATED
from avadclip.features.snippets import Provenance
from avadclip.labels import XD_VIOLENCE_CODES
from avadclip.nn.models import TrainedNetwork
from avadclip.released.networks import CONFIG, FEATURE_DIM, PUBLISHED_BY, ReleasedFile, ReleasedKind, read_released
from avadclip.timeline import SnippetGrid
from avadclip.training.class_text import PromptedClassText

NAME = "released-xd"
CLASSES = tuple(XD_VIOLENCE_CODES.values())
ENCODER_OPTIONS = EncoderOptions(framing="published")
_CLIP_PARTS = ("vision_model.", "visual_projection.", "text_model.", "text_projection.")  # all but its temperature

CARD = """\
# AVadCLIP as released by its authors, for XD-Violence

| | |
|---|---|
| networks | teacher (picture and sound), visual student (picture alone), in the variant `released` |
| source | {published_by}: {files} |
| method | Wu et al., "AVadCLIP", arXiv 2504.04495 |
| licence | Apache-2.0, the authors' |
| classes | {classes} |
| converted by | avadclip {version} |

## How good it is

**Not measured here.** The paper prints a frame-level average precision on XD-Violence of 86.04 % (picture and sound)
and 85.53 % (picture alone), at the epoch that did best on the test split itself. This checkpoint says so (`selection`
is `test`): what it scores on that split is too high for footage it has never seen. Whether these very files give the
printed numbers, nobody has checked here.

## What it takes for granted about features

As published: snippets of 16 frames at 24 fps; CLIP ViT-B/16 in float32 on 224 x 224 crops of frames squeezed to
340 x 256; ten crops of every video in training, one in testing; Wav2CLIP for the sound.

Not settled, and so not compared with the features at hand:

- whether a snippet is its first frame or the mean of several. Detection takes the first;
- which of the crops was tested. Detection takes the centre;
- how long the stretch of sound of a snippet is, and over what its spectrogram was normalised. Detection takes one
  second around the snippet's centre, and the whole recording;
- which file of Wav2CLIP's weights was used. Detection takes the one it finds.

Scores of a video may therefore differ from those on the published features of the same video.

Class features were computed at conversion by the text tower of {clip}, in float32, through each network's learned
prompts. On a GPU the authors' code computes them in half precision: the last digits differ.

## Thresholds

An event counts from a score of {threshold}, which nobody has validated, and nothing raises an alarm. Set both on
footage of yours with `avadclip calibrate`.
"""


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
    refuse_to_overwrite(out)
    if keep_encoder is not None:
        refuse_to_overwrite(keep_encoder / CLIP_FILES[0])
    files = {teacher: read_released(teacher, "teacher"), student: read_released(student, "visual student")}
    for path, file in files.items():
        if len(file.trained.alpha) != len(CLASSES):
            raise CheckpointError(
                f"{path} knows {len(file.trained.alpha)} classes (alpha), needed the {len(CLASSES)} of XD-Violence; "
                f"use the files that {PUBLISHED_BY} links"
            )
    origin, clip = _find_clip(files, clip_folder)
    tokenizer = find_tokenizer(*(folder for folder in (clip_folder, keep_encoder) if folder is not None))
    text = ClipTextEncoder(clip, ClipTokenizer(tokenizer))
    networks: dict[NetworkKind, TrainedNetwork] = {}
    kinds: tuple[ReleasedKind, ...] = ("teacher", "visual student")
    for kind, file in zip(kinds, files.values(), strict=True):
        networks[kind] = TrainedNetwork(file.trained.network, _class_features(file.trained.prompt_table, text))
    folder = keep_encoder or (clip_folder if origin == clip_folder else None)
    header = CheckpointHeader(
        name=NAME,
        classes=CLASSES,
        encoders="clip" if folder is None else f"clip:{folder.absolute()}",
        encoder_options=ENCODER_OPTIONS,
        features=_provenance(clip),
        visual_dim=FEATURE_DIM,
        audio_dim=FEATURE_DIM,
        network=CONFIG,
        thresholds=dict.fromkeys(networks, UNVALIDATED),
        selection=dict.fromkeys(networks, "test"),
        card=_card((teacher, student), "the CLIP inside the files" if origin in files else f"the CLIP in {origin}"),
    )
    checkpoint = Checkpoint(header, networks)
    if keep_encoder is not None:
        write_clip_folder(clip, tokenizer, keep_encoder)
    save_checkpoint(out, checkpoint)
    return checkpoint


def _find_clip(files: dict[Path, ReleasedFile], folder: Path | None) -> tuple[Path, Clip]:
    """The one CLIP of the files and the folder, and where it was found; several have to be the same."""
    found = {path: file.clip for path, file in files.items() if file.clip is not None}
    if folder is not None and (not found or has_clip_weights(folder)):
        found[folder] = load_clip(find_clip(folder).weights)
    if not found:
        raise WeightsError(
            f"neither {' nor '.join(map(str, files))} holds a CLIP (clipmodel.*), needed for the class words; "
            "name a folder with CLIP ViT-B/16 by `--clip FOLDER` (`avadclip weights list` says how to get it)"
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


def _provenance(clip: Clip) -> Provenance:
    """How the published features were made; None for what the authors do not say."""
    visual = ClipVisualEncoder(clip, framing=ENCODER_OPTIONS.framing).identity()
    return Provenance(
        grid=SnippetGrid(),
        visual={**visual, "frame_offsets": None, "num_crops": None},
        audio={
            "name": Wav2ClipEncoder.name,
            "weights_sha256": None,
            "window_seconds": None,
            "normalisation": None,
            "precision": None,
        },
    )


def _card(files: tuple[Path, Path], clip: str) -> str:
    hashes = []
    for path in files:
        with path.open("rb") as file:
            hashes.append(f"`{path.name}` (SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()})")
    return CARD.format(
        published_by=PUBLISHED_BY,
        files=", ".join(hashes),
        classes=", ".join(CLASSES),
        version=__version__,
        clip=clip,
        threshold=UNVALIDATED.detection,
    )
