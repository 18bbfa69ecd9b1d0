"""What a published state dict has to be before any of it is used."""

from collections.abc import Mapping

from torch import Tensor

from avadclip.encoders.frozen import WEIGHT_DTYPES
from avadclip.errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]


def check_tensors(theirs: Mapping[str, Tensor], needed: Shapes, *, origin: str, advice: str) -> None:
    """Raise CheckpointError unless these are exactly the needed names, as finite numbers in the needed shapes."""
    missing = [name for name in needed if name not in theirs]
    unknown = [name for name in theirs if name not in needed]
    if missing:
        first = f"{missing[0]} {list(needed[missing[0]])}"
        begins = f"; the file begins with {unknown[0]}" if unknown else ""
        raise CheckpointError(f"{origin}: {len(missing)} tensors are missing, the first is {first}{begins}; {advice}")
    if unknown:
        first = f"{unknown[0]} {list(theirs[unknown[0]].shape)}"
        raise CheckpointError(f"{origin}: {len(unknown)} tensors are unknown, the first is {first}; {advice}")
    for name, tensor in theirs.items():
        if tuple(tensor.shape) != needed[name]:
            found = f"{name} has shape {list(tensor.shape)}, needed {list(needed[name])}"
            raise CheckpointError(f"{origin}: {found}; {advice}")
        if tensor.dtype not in WEIGHT_DTYPES:
            raise CheckpointError(f"{origin}: {name} is {tensor.dtype}, needed float32, float16 or bfloat16; {advice}")
    check_finite(theirs, origin=origin)


def check_finite(tensors: Mapping[str, Tensor], *, origin: str) -> None:
    """Raise CheckpointError at the first tensor that holds something else than numbers."""
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{origin}: {name} holds a number that is not finite; download the file again")


def theirs_to_ours(modules: Mapping[str, str], ours: Mapping[str, Tensor]) -> dict[str, str]:
    """Names of tensors, theirs to ours, one to one, for all of ours.

    Args:
        modules: theirs to ours, by the module or the parameter that the names start with.
        ours: a state dict of ours.
    """
    theirs = {own: their for their, own in modules.items()}
    names = {}
    for name in ours:
        module = next(module for module in theirs if name == module or name.startswith(f"{module}."))
        names[theirs[module] + name.removeprefix(module)] = name
    return names
