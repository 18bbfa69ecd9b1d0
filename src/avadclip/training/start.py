"""Training that begins with the weights of a trained network, instead of random ones."""

import torch

from avadclip.errors import ConfigError
from avadclip.model.avadclip import OBJECTIVE
from avadclip.model.base import System

CLASS_VECTORS = "class_text.vectors"  # [C, D], learned without a text encoder


@torch.no_grad()
def begin_from(system: System, trained: System) -> None:
    """Give an untrained network the weights of a trained one, with its standardisation of the features.

    A class that both know by name gets its learned vector; other classes keep their random one.

    Args:
        system: to be trained; changed in place.
        trained: of the same kind and shape, frozen or not.

    Raises:
        ConfigError: the shapes differ.
    """
    theirs = trained.state_dict()
    for name, tensor in system.state_dict().items():
        if name.startswith(OBJECTIVE):
            continue
        other = theirs.get(name)
        if name == CLASS_VECTORS and other is not None and other.shape[1] == tensor.shape[1]:
            for index, word in enumerate(system.classes):
                if word in trained.classes:
                    tensor[index] = other[trained.classes.index(word)]
        elif other is None or other.shape != tensor.shape:
            found = "missing" if other is None else list(other.shape)
            raise ConfigError(
                f"the {system.name} cannot begin with these weights: {name} is {found}, needed {list(tensor.shape)}; "
                "start from scratch, or use the recipe of the other network"
            )
        else:
            tensor.copy_(other)
