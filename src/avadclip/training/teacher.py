"""A frozen teacher's features of the training bags, computed once a bag and kept on disk."""

import shutil
import tempfile
from collections.abc import Sequence
from typing import IO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from avadclip.data.bags import Bag, collate
from avadclip.model.base import Outputs, System

MAX_CACHE_BYTES = 16 * 2**30  # XD-Violence's 39,540 crops of 256 snippets would take 20 GiB
KEPT_FREE_BYTES = 2 * 2**30  # of the disk, for checkpoints and everything else


class _Place(NamedTuple):
    offset: int
    shape: tuple[int, int]


class TeacherFeatures:
    """X_av of bags, each computed on its own, so that a kept one equals one that is computed again.

    Of a bag with a damaged picture the teacher sees the clear one.

    Args:
        teacher: frozen, in eval mode, on its device.
        max_bytes: of the temporary file; what does not fit is computed at every use.
    """

    def __init__(self, teacher: System, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.num_computed = 0
        self._teacher = teacher
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115  it lives as long as this object
            prefix="avadclip-teacher-"
        )
        free = shutil.disk_usage(tempfile.gettempdir()).free - KEPT_FREE_BYTES
        self._max_bytes = max(0, min(max_bytes, free))
        self._num_bytes = 0
        self._places: dict[int, _Place] = {}
        self._bags: list[Bag] = []  # kept alive: bags are recognised by identity, as names may repeat

    def of(self, bags: Sequence[Bag], length: int) -> Tensor | None:
        """Features of a batch, [B, length, D], zero where a bag has no sound; None where none has any."""
        every = [self._of_bag(bag) if bag.stored.has_usable_sound else None for bag in bags]
        known = next((features for features in every if features is not None), None)
        if known is None:
            return None
        padded = torch.zeros(len(bags), length, known.shape[1])
        for index, features in enumerate(every):
            if features is not None:
                padded[index, : len(features)] = features
        return padded

    def _of_bag(self, bag: Bag) -> Tensor:
        """[T, D], or [256, D] from a teacher that pads to windows."""
        place = self._places.get(id(bag))
        if place is not None:
            self._file.seek(place.offset)
            stored = self._file.read(4 * place.shape[0] * place.shape[1])
            return torch.from_numpy(np.frombuffer(stored, dtype=np.float32).reshape(place.shape).copy())
        features = self._compute(bag)
        self._keep(bag, features)
        return features

    @torch.no_grad()
    def _compute(self, bag: Bag) -> Tensor:
        self.num_computed += 1
        device = next(self._teacher.parameters()).device
        batch = collate([bag.undamaged], pad_to_window=self._teacher.pads_to_window).to(device)
        outputs: Outputs = self._teacher(*batch.bags)
        features = outputs.features
        assert features is not None, "a teacher has fused features"
        return features[0].float().cpu()

    def _keep(self, bag: Bag, features: Tensor) -> None:
        content = features.contiguous().numpy().tobytes()
        if self._num_bytes + len(content) > self._max_bytes:
            return
        try:
            self._file.seek(self._num_bytes)
            self._file.write(content)
            self._file.flush()
        except OSError:  # a full disk: go on without keeping more
            self._max_bytes = 0
            return
        self._places[id(bag)] = _Place(self._num_bytes, (features.shape[0], features.shape[1]))
        self._bags.append(bag)
        self._num_bytes += len(content)
