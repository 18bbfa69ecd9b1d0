"""The two methods on CLIP features whose weights are published, and the model card of a converted checkpoint."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from avadclip import __version__
from avadclip.config import NetworkConfig
from avadclip.events import UNVALIDATED
from avadclip.inference.published_weights.networks import CLASSES, CONFIG, PUBLISHED_BY, VADCLIP_BY, VADCLIP_CONFIG


class Release(NamedTuple):
    """What is known of published weights."""

    name: str
    """Of the checkpoint."""
    title: str
    networks: str
    published_by: str
    method: str
    licence: str
    printed: str
    """Frame-level average precision in the paper."""
    uses_audio: bool
    config: NetworkConfig


AVADCLIP = Release(
    name="released-xd",
    title="AVadCLIP",
    networks="teacher (picture and sound), visual student (picture alone), in the variant `released`",
    published_by=PUBLISHED_BY,
    method='Wu et al., "AVadCLIP", arXiv 2504.04495',
    licence="Apache-2.0, the authors'",
    printed="86.04 % (picture and sound)\nand 85.53 % (picture alone)",
    uses_audio=True,
    config=CONFIG,
)
VADCLIP = Release(
    name="vadclip-released-xd",
    title="VadCLIP",
    networks="visual student in the variant `released`, which without enhancement is VadCLIP",
    published_by=VADCLIP_BY,
    method='Wu et al., "VadCLIP", AAAI 2024',
    licence="the authors'",
    printed="84.51 %",
    uses_audio=False,
    config=VADCLIP_CONFIG,
)

CARD = """\
# {title} as released by its authors, for XD-Violence

| | |
|---|---|
| networks | {networks} |
| source | {published_by}: {files} |
| method | {method} |
| licence | {licence} |
| classes | {classes} |
| converted by | avadclip {version} |

## How good it is

**Not measured here.** The paper prints a frame-level average precision on XD-Violence of {printed},
at the epoch that did best on the test split itself. Hence `selection` is `test`
here: its figures on that split are too high for footage it has never seen. Whether these very files give the
printed numbers was not checked here.

## What it takes for granted about features

As published: snippets of 16 frames at 24 fps; CLIP ViT-B/16 in float32 on 224 x 224 crops of frames squeezed to
340 x 256; ten crops of every video in training, one in testing{sound}.

Not settled, and so not compared with the features at hand:

- whether a snippet is its first frame or the mean of several. Detection takes the first;
- which of the crops was tested. Detection takes the centre{unsettled_sound}.

Scores of a video may therefore differ from those on the published features of the same video.

Class features were computed at conversion by the text tower of {clip}, in float32, through each network's learned
prompts. On a GPU the authors' code computes them in half precision: the last digits differ.

## Thresholds

An event counts from a score of {threshold}, which is not validated, and nothing raises an alarm. Set both on
footage of yours with `avadclip calibrate`.
"""
UNSETTLED_SOUND = """;
- how long the stretch of sound of a snippet is, and over what its spectrogram was normalised. Detection takes one
  second around the snippet's centre, and the whole recording;
- which file of Wav2CLIP's weights was used. Detection takes the one it finds"""


def write_card(release: Release, files: Sequence[Path], clip: str) -> str:
    """The card of a checkpoint; `files` are its sources, `clip` names the CLIP that encoded the class words."""
    hashes = []
    for path in files:
        with path.open("rb") as file:
            hashes.append(f"`{path.name}` (SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()})")
    return CARD.format(
        **release._asdict(),
        files=", ".join(hashes),
        classes=", ".join(CLASSES),
        version=__version__,
        sound="; Wav2CLIP for the sound" if release.uses_audio else "",
        unsettled_sound=UNSETTLED_SOUND if release.uses_audio else "",
        clip=clip,
        threshold=UNVALIDATED.detection,
    )
