"""Frozen modules: loaded once and never trained."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from avadclip.errors import WeightsError

WEIGHT_DTYPES = (torch.float32, torch.float16, torch.bfloat16)  # exactly representable in float32


class FrozenModule(nn.Module):
    """Module that stays in evaluation mode and has no trainable parameters.

    A stray `.train()` on a parent would otherwise switch batch norm to batch statistics and silently change features.
    Gradients still flow through the module, from its output to its input: learned prompts need them.
    """

    title: ClassVar[str]
    """Name of the weights in messages."""
    ignored_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of tensor names in weight files that this module ignores."""

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002 - torch's signature; the mode is always ignored
        """Freeze again, whatever `mode` is. Returns self."""
        super().train(False)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        return self

    def load_tensors(self, tensors: Mapping[str, Tensor], source: str) -> Self:
        """Load the weights as float32; names must match exactly.

        Args:
            tensors: by this module's names; half precision is converted, which is exact.
            source: their origin, for the message.

        Raises:
            WeightsError: a name is missing or unknown, or a shape or dtype is not the one needed.
        """
        needed = {name: tensor.shape for name, tensor in self.state_dict().items()}
        found = {name: tensor for name, tensor in tensors.items() if not name.endswith(self.ignored_suffixes)}
        problems = _differences(found, needed)
        if problems:
            raise WeightsError(f"{source} does not contain {self.title}: {'; '.join(problems)}; use a file made for it")
        self.load_state_dict({name: tensor.to(torch.float32) for name, tensor in found.items()}, assign=True)
        return self.train(False)

    def sha256(self, *prefixes: str) -> str:
        """Hash of the weights' content, independent of the file format.

        Args:
            prefixes: hash only tensors whose name begins with one of them; none means all.
        """
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            if not prefixes or name.startswith(prefixes):
                digest.update(f"{name} {list(tensor.shape)}\n".encode())
                digest.update(tensor.cpu().contiguous().numpy())
        return digest.hexdigest()


def _differences(found: Mapping[str, Tensor], needed: Mapping[str, torch.Size]) -> list[str]:
    missing, unknown = needed.keys() - found.keys(), found.keys() - needed.keys()
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(needed)} tensors are missing ({_some(missing)})")
    if unknown:
        problems.append(f"{len(unknown)} tensors are unknown ({_some(unknown)})")
    for name in sorted(needed.keys() & found.keys()):
        tensor, shape = found[name], needed[name]
        if tensor.shape != shape:
            problems.append(f"{name} has shape {list(tensor.shape)}, needed {list(shape)}")
        elif tensor.dtype not in WEIGHT_DTYPES:
            problems.append(f"{name} is {tensor.dtype}, needed float32, float16 or bfloat16")
    return _at_most(problems, 3)


def _some(names: Collection[str]) -> str:
    return ", ".join(_at_most(sorted(names), 3))


def _at_most(items: Iterable[str], limit: int) -> list[str]:
    items = list(items)
    return items if len(items) <= limit else [*items[:limit], f"and {len(items) - limit} more"]
