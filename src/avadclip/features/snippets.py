"""Features of one video, and their provenance."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from avadclip.encoders.base import Identity, SoundTags
from avadclip.errors import FeatureError
from avadclip.timeline import SnippetGrid


class Provenance(BaseModel):
    """Everything that determines a feature file's values; compared with a model's training features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grid: SnippetGrid
    visual: Identity
    audio: Identity | None
    """None for features made without an audio encoder."""
    damage: Identity | None = None
    """Damage applied to the video before encoding (data.damaged_videos); always None in checkpoints."""

    def difference(self, needed: "Provenance") -> str | None:
        """The first difference, `<what> is <found>, needed <needed>`; None if there is none.

        A key that is None in `needed` is unknown and not compared, except for the damage.
        """
        if self.damage != needed.damage:
            found, wanted = ("none" if damage is None else damage["name"] for damage in (self.damage, needed.damage))
            return f"damage is {found}, needed {wanted}"
        pairs = {"snippet grid": (vars(self.grid), vars(needed.grid)), "visual encoder": (self.visual, needed.visual)}
        if self.audio is not None and needed.audio is not None:
            pairs["audio encoder"] = (self.audio, needed.audio)
        for subject, (own, other) in pairs.items():
            for key in sorted(own.keys() | other.keys()):
                if own.get(key) != other.get(key) and not (key in other and other[key] is None):
                    return f"{subject}: {key} is {own.get(key)}, needed {other.get(key)}"
        return None


@dataclass(frozen=True)
class SnippetFeatures:
    """Features of one video."""

    visual: NDArray[np.float32]
    """[K, T, Dv], one entry per crop; the first is the centre."""
    audio: NDArray[np.float32] | None
    """[T, Da]; None without a sound track."""
    duration_seconds: float
    """Length of the video stream."""
    provenance: Provenance | None
    """None for published features, whose provenance is unknown."""
    sound_is_silent: bool = False
    """Whether there is a sound track but it is silent."""
    source_sha256: str | None = None
    """Hash of the video file's content."""
    notes: tuple[str, ...] = field(default=())
    """Irregularities of the file, one line each."""
    tags: SoundTags | None = None
    """Named sounds per snippet; None without a sound track or an audio tagger. No network reads them."""
    audio_track: int | None = None
    """See MediaFile.audio_track."""

    @classmethod
    def from_arrays(
        cls,
        visual: NDArray[np.floating],
        audio: NDArray[np.floating] | None = None,
        *,
        visual_encoder: str,
        audio_encoder: str | None = None,
        grid: SnippetGrid | None = None,
    ) -> "SnippetFeatures":
        """Features that were made elsewhere, of any width.

        Args:
            visual: [T, Dv], or [K, T, Dv] for K crops, the centre first.
            audio: [T, Da]; None without sound.
            visual_encoder: name of what made the visual features, e.g. `i3d-rgb`. Features of other encoders than those
                a network was trained on are refused by this name.
            audio_encoder: name of what made the audio features; needed where there are any.
            grid: how the snippets were cut; by default 16 frames at 24 fps.

        Raises:
            FeatureError: shapes disagree, a value is not finite, or the name of an encoder is missing.
        """
        if audio is not None and not audio_encoder:
            raise FeatureError("the arrays have audio features but no `audio_encoder`; name what made them")
        grid = grid or SnippetGrid()
        rows = np.ascontiguousarray(visual, dtype=np.float32)
        rows = rows[None] if rows.ndim == 2 else rows
        sound = None if audio is None else np.ascontiguousarray(audio, dtype=np.float32)
        features = cls(
            visual=rows,
            audio=sound,
            duration_seconds=(rows.shape[1] if rows.ndim == 3 else 0) * grid.snippet_seconds,
            provenance=Provenance(
                grid=grid,
                visual={"name": visual_encoder},
                audio=None if audio_encoder is None else {"name": audio_encoder},
            ),
            source_sha256=hashlib.sha256(rows.tobytes() + (b"" if sound is None else sound.tobytes())).hexdigest(),
        )
        features.validate("the arrays")
        return features

    def __len__(self) -> int:
        return int(self.visual.shape[1])

    def load(self) -> "SnippetFeatures":
        """Itself: these features are in memory (data.bags.StoredFeatures)."""
        return self

    @property
    def visual_width(self) -> int:
        """Dv."""
        return int(self.visual.shape[2])

    @property
    def audio_width(self) -> int:
        """Da; 0 without a sound track."""
        return 0 if self.audio is None else int(self.audio.shape[1])

    @property
    def has_usable_sound(self) -> bool:
        """Whether there is a sound track that is not silent."""
        return self.audio is not None and not self.sound_is_silent

    def validate(self, name: str) -> None:
        """Raise FeatureError, starting with `name`, unless shapes agree and every number is finite."""
        for modality, rows, axes in (("visual", self.visual, 3), ("audio", self.audio, 2)):
            if rows is None:
                continue
            if rows.ndim != axes or rows.dtype != np.float32 or rows.shape[-1] == 0:
                raise FeatureError(
                    f"{name} has {rows.dtype} values of {modality} shape {rows.shape}, needed float32 rows, "
                    "one per snippet; extract it again"
                )
            # Minimum and maximum suffice, and need no memory, unlike isfinite of every value.
            if rows.size and not np.isfinite([rows.min(), rows.max()]).all():
                bad = np.argwhere(~np.isfinite(rows))[0]
                raise FeatureError(
                    f"{name} has a non-finite {modality} value (snippet {bad[-2]}, channel {bad[-1]}); extract it again"
                )
        if len(self) == 0:
            raise FeatureError(f"{name} has no snippets (visual shape {self.visual.shape}); extract it again")
        if self.tags is not None and not self.tags.fits(len(self)):
            raise FeatureError(f"{name} has named sounds that do not fit its {len(self)} snippets; extract it again")
        if self.audio is not None and len(self.audio) != len(self):
            raise FeatureError(
                f"{name} has {len(self)} visual but {len(self.audio)} audio snippets; "
                "extract both again in one `avadclip extract` run"
            )
