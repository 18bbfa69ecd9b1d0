"""What every compared system promises, see model.base.System."""

import torch
from torch import Tensor

from avadclip.baselines.build import COMPARED, build_system
from avadclip.extras import require_extra
from avadclip.model.base import Bags, Losses, Outputs, System
from avadclip.testing.bags import AUDIO_DIM, CLASSES, PAIRED_TARGETS, VISUAL_DIM, make_bags, make_batch, shake
from avadclip.testing.checks import Check, require, run_checks
from avadclip.testing.training import TrainingChecks

NUM_EPOCHS = 10  # that a system is told it will be trained for; some learn in stages
LENGTHS = [23, 1, 9, 35]  # snippets of the bags, the first two normal
TOLERANCE = 1e-4
SPREAD = 1e-3  # of a system's logits; equal ones would agree with anything
SOFTMAX_BIAS = "key.bias"  # its gradient may be 0: a softmax over keys does not see what is added to all of them


def check_system(name: str) -> None:
    """Check a compared system, untrained and in a short training on generated features.

    Outputs and losses of the right shapes; padding and other bags that change neither; a gradient for every parameter
    in some epoch; the modalities it says it reads; scores of videos of any length; and a training that resumes to the
    same weights, whose checkpoint gives the same scores. Takes seconds for a small network.

    Args:
        name: a plug-in's, as `network_kind` of a recipe takes it.

    Raises:
        AvadclipError: it cannot be built, or the extra `train` is missing.
        ExceptionGroup: the failures, each with the name of its check.
    """
    require_extra("train")
    COMPARED.find(name)
    run_checks(f"system {name}", [*_ForwardChecks(name).all(), *TrainingChecks(name).all()])


class _ForwardChecks:
    def __init__(self, name: str) -> None:
        self._name = name

    def all(self) -> list[Check]:
        return [
            self.outputs_have_their_shapes,
            self.padding_and_other_bags_change_no_score,
            self.padding_changes_no_loss,
            self.losses_are_finite_scalars_of_the_same_names,
            self.every_parameter_has_a_gradient_in_some_epoch,
            self.it_reads_the_modalities_that_it_says,
            self.a_frozen_copy_scores_the_same,
        ]

    def outputs_have_their_shapes(self) -> None:
        outputs = self._untrained()(*make_bags(LENGTHS, longest=35))
        require(isinstance(outputs, Outputs), f"forward returns a {type(outputs).__name__}, needed avadclip.Outputs")
        shape = (len(LENGTHS), 35)
        found = tuple(outputs.anomaly_logits.shape)
        require(found == shape, f"anomaly_logits have the shape {found}, needed {shape}")
        if outputs.class_logits is not None:
            found, with_classes = tuple(outputs.class_logits.shape), (*shape, len(CLASSES))
            require(found == with_classes, f"class_logits have the shape {found}, needed {with_classes}")

    def padding_and_other_bags_change_no_score(self) -> None:
        tight, wide = (make_bags(LENGTHS, longest=at, padding=padding) for at, padding in ((35, 0.0), (50, 9.0)))
        for epoch in (1, 7):
            system = self._untrained(epoch=epoch)
            together, padded = _logits(system, tight), _logits(system, wide)
            for bag, length in enumerate(LENGTHS):
                alone = _logits(system, tight.take(torch.tensor([bag])))[0]
                _check_close(together[bag, :length], alone, "other bags of the batch change a bag's scores")
                _check_close(padded[bag, :length], alone, "padding changes scores")
            require(float(together[0].std(dim=0).max()) > SPREAD, "all snippets have the same scores")

    def padding_changes_no_loss(self) -> None:
        for epoch in (1, 7):
            system = self._untrained(epoch=epoch)
            tight, wide = (
                _losses(system, make_bags(LENGTHS, longest=at, padding=padding))
                for at, padding in ((35, 0.0), (50, 9.0))
            )
            for name, loss in tight.items():
                _check_close(wide[name], loss, f"padding changes the loss {name}")

    def losses_are_finite_scalars_of_the_same_names(self) -> None:
        names: set[frozenset[str]] = set()
        for epoch in (1, 7):
            for lengths in (LENGTHS, [1, 1, 1, 1]):
                losses = _losses(self._untrained(epoch=epoch), make_bags(lengths, longest=max(lengths)))
                require(bool(losses), "there are no losses")
                for name, loss in losses.items():
                    require(loss.shape == (), f"the loss {name} has the shape {tuple(loss.shape)}, needed a scalar")
                    require(bool(loss.isfinite()), f"the loss {name} is {float(loss)} for bags of {lengths} snippets")
                names.add(frozenset(losses))
        require(len(names) == 1, f"the losses have other names in other steps: {[sorted(each) for each in names]}")

    def every_parameter_has_a_gradient_in_some_epoch(self) -> None:
        torch.manual_seed(0)
        system = self._build().train()
        shake(system)
        system.train()
        without = {key for key, parameter in system.named_parameters() if parameter.requires_grad}
        for epoch in range(1, NUM_EPOCHS + 1):
            system.begin_epoch(epoch, NUM_EPOCHS)
            system.zero_grad()
            losses = _losses(system, make_bags([1, 18, 35, 3], longest=35))
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            for key, parameter in system.named_parameters():
                if parameter.grad is None:
                    continue
                require(bool(parameter.grad.isfinite().all()), f"the gradient of {key} is not finite")
                if parameter.grad.any() or key.endswith(SOFTMAX_BIAS):
                    without.discard(key)
        require(not without, f"no loss trains {', '.join(sorted(without))}")

    def it_reads_the_modalities_that_it_says(self) -> None:
        system, bags = self._untrained(), make_bags([23], longest=23)
        assert bags.visual is not None
        assert bags.audio is not None
        before = _logits(system, bags)
        for modality, is_read, changed in (
            ("visual", system.uses_visual, bags._replace(visual=-bags.visual if system.uses_visual else None)),
            ("audio", system.uses_audio, bags._replace(audio=-bags.audio if system.uses_audio else None)),
        ):
            is_same = torch.equal(_logits(system, changed), before)
            effect = "change nothing" if is_same else "change scores"
            require(is_same != is_read, f"uses_{modality} is {is_read}, but {modality} features {effect}")

    def a_frozen_copy_scores_the_same(self) -> None:
        system, bags = self._untrained(), make_bags(LENGTHS, longest=35)
        frozen = system.train().requires_grad_(True).frozen()
        require(system.training and frozen is not system, "frozen changes the system itself")
        system.eval()
        require(not any(each.requires_grad for each in frozen.parameters()), "a frozen copy has trainable parameters")
        require(not any(each.training for each in frozen.modules()), "a frozen copy is in training mode")
        _check_close(_logits(frozen, bags), _logits(system, bags), "a frozen copy has other scores")
        other = self._build().frozen().with_tensors(frozen.tensors())
        _check_close(_logits(other, bags), _logits(system, bags), "the tensors alone do not give the same scores")

    def _build(self) -> System:
        return build_system(self._name, visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM, classes=CLASSES)

    def _untrained(self, *, epoch: int = 1) -> System:
        """With weights of noise and without dropout, as at the start of an epoch."""
        system = self._build()
        shake(system)
        for earlier in range(1, epoch + 1):
            system.begin_epoch(earlier, NUM_EPOCHS)
        return system.eval().requires_grad_(False)


def _logits(system: System, bags: Bags) -> Tensor:
    """Anomaly logits, and class logits where there are any, side by side, [B, T, 1 or 1 + C]."""
    outputs = system(*bags)
    class_logits = [] if outputs.class_logits is None else [outputs.class_logits]
    return torch.cat([outputs.anomaly_logits[..., None], *class_logits], dim=-1)


def _losses(system: System, bags: Bags) -> Losses:
    torch.manual_seed(0)  # of what a loss draws
    return system.losses(make_batch(bags, PAIRED_TARGETS))


def _check_close(found: Tensor, expected: Tensor, message: str) -> None:
    torch.testing.assert_close(
        found, expected, rtol=TOLERANCE, atol=TOLERANCE, msg=lambda details: f"{message}: {details}"
    )
