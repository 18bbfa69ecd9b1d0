"""The parts of objectives: multiple-instance losses, what they pick and pool, text separation, distillation."""

import torch
from torch import Tensor
from torch.nn import functional

FOCAL_GAMMA = 2.0
FOCAL_ALPHA = 0.25  # per class; fixed in the variant `paper`, the initial value in `released`
SNIPPETS_PER_PICK = 16
VARIANCE_FLOOR = 0.01  # of a snippet's mean square in the teacher; a sigma^2 below it is not learned
VARIANCE_EPSILON = 1e-6  # as released


def topk_mean(logits: Tensor, mask: Tensor, snippets_per_pick: int = SNIPPETS_PER_PICK) -> Tensor:
    """Pool each bag to the mean of its k largest snippets, k = T_i // snippets_per_pick + 1.

    Args:
        logits: [B, T, C]; each class is ranked on its own.
        mask: [B, T] bool; padding is never picked. Every bag needs one real snippet.
        snippets_per_pick: not the frames in a snippet, though both happen to be 16.

    Returns:
        [B, C]
    """
    ranked, picked = _rank(logits, mask, snippets_per_pick)
    return ranked.masked_fill(~picked, 0.0).sum(dim=1) / picked.sum(dim=1)


def _rank(logits: Tensor, mask: Tensor, snippets_per_pick: int) -> tuple[Tensor, Tensor]:
    """Logits of every class from the largest down, [B, T, C], and which of them are the bag's k largest, [B, T, 1]."""
    k = mask.sum(dim=1) // snippets_per_pick + 1  # [B]
    ranked = logits.masked_fill(~mask[..., None], -torch.inf).sort(dim=1, descending=True).values
    picked = torch.arange(logits.shape[1], device=logits.device) < k[:, None]  # [B, T]
    return ranked, picked[..., None]


def topk_mask(logits: Tensor, mask: Tensor, snippets_per_pick: int = SNIPPETS_PER_PICK) -> Tensor:
    """Which snippets topk_mean would average, [B, T] bool, for logits [B, T]; those of -logits are the lowest."""
    return largest_mask(logits, mask, mask.sum(dim=1, keepdim=True) // snippets_per_pick + 1)


def largest_mask(values: Tensor, mask: Tensor, k: Tensor | int) -> Tensor:
    """Which are the k largest unmasked values of their row, or all where there are fewer; of equals, the first.

    Args:
        values: [.., T]
        mask: [.., T] bool, or what broadcasts to it.
        k: one for all, or [.., 1].

    Returns:
        [.., T] bool
    """
    order = values.masked_fill(~mask, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    return (order.argsort(dim=-1) < k) & mask


def picked_mean(features: Tensor, picked: Tensor) -> Tensor:
    """Mean of the snippets picked of each bag; [B, T, D] and [B, T] bool, at least one of each bag, to [B, D]."""
    return (features * picked[..., None]).sum(dim=1) / picked.sum(dim=1, keepdim=True)


def mean_logit_mil_loss(anomaly_logits: Tensor, mask: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the sigmoid of the mean of the top-k logits, as several comparison systems have it.

    Shapes as in anomaly_mil_loss, which takes the mean of the sigmoids.
    """
    pooled = topk_mean(anomaly_logits[..., None], mask).squeeze(-1)
    return functional.binary_cross_entropy_with_logits(pooled, (targets[:, 1:].sum(dim=1) > 0).to(pooled.dtype))


def anomaly_mil_loss(anomaly_logits: Tensor, mask: Tensor, targets: Tensor) -> Tensor:
    """L_BCE: binary cross-entropy of the mean of the top-k anomaly scores.

    Args:
        anomaly_logits: [B, T]
        mask: [B, T] bool
        targets: [B, C] in {0, 1}; a bag is anomalous if any class but 0 is set.
    """
    ranked, picked = _rank(anomaly_logits[..., None], mask, SNIPPETS_PER_PICK)
    return mean_score_loss(ranked.squeeze(-1), picked.squeeze(-1), targets)


def mean_score_loss(anomaly_logits: Tensor, picked: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the mean score of the snippets picked of each bag, whatever picked them.

    Args:
        anomaly_logits: [B, T]
        picked: [B, T] bool, at least one of each bag.
        targets: [B, C] in {0, 1}; a bag is anomalous if any class but 0 is set.
    """
    anomalous = targets[:, 1:].sum(dim=1) > 0
    # ln of a mean of sigmoids, taken of logarithms: near 1 a mean in float32 rounds to 1, and the loss of a normal bag
    # would leap to the clamp of binary_cross_entropy, with gradients five orders too large.
    sign = torch.where(anomalous, 1.0, -1.0)[:, None]
    log_scores = functional.logsigmoid(sign * anomaly_logits.masked_fill(~picked, 0.0))
    return -log_mean(log_scores, picked).mean()


def log_mean(log_scores: Tensor, picked: Tensor) -> Tensor:
    """ln of the mean of the scores that were picked, taken of their logarithms; [.., T] and [.., T] bool to [..]."""
    return log_scores.masked_fill(~picked, -torch.inf).logsumexp(dim=-1) - picked.sum(dim=-1).log()


def smoothness_loss(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean over bags of the sum of squared differences between neighbouring snippets.

    Args:
        scores: [B, T]
        mask: [B, T] bool, True up to each bag's end.
    """
    squared = (scores[:, 1:] - scores[:, :-1]) ** 2
    return (squared * mask[:, 1:]).sum(dim=1).mean()


def alignment_mil_loss(alignment_logits: Tensor, mask: Tensor, targets: Tensor, *, alpha: Tensor | None) -> Tensor:
    """L_ALIGN = (L_NCE + L_FOCAL) / 2 on the top-k mean alignment logits.

    Args:
        alignment_logits: [B, T, C]
        mask: [B, T] bool
        targets: [B, C] in {0, 1}; several classes share the target equally.
        alpha: [C], weight per class of the focal part; None leaves it out: L_ALIGN = L_NCE.
    """
    log_probabilities = topk_mean(alignment_logits, mask).log_softmax(dim=-1)
    shares = targets / targets.sum(dim=1, keepdim=True)
    nce = -(shares * log_probabilities).sum(dim=1).mean()
    if alpha is None:
        return nce
    return (nce + focal_loss(log_probabilities, shares, alpha)) / 2


def focal_loss(log_probabilities: Tensor, shares: Tensor, alpha: Tensor) -> Tensor:
    """Mean over bags of alpha_b (1 - p_t)^2 sum_c t_c (-ln p_c), p_t = sum_c t_c p_c, alpha_b = sum_c t_c alpha_c.

    Args:
        log_probabilities: [B, C], log softmax.
        shares: t, [B, C], rows sum to 1.
        alpha: [C]
    """
    true_probability = (shares * log_probabilities.exp()).sum(dim=1)
    cross_entropy = -(shares * log_probabilities).sum(dim=1)
    return ((shares @ alpha) * (1.0 - true_probability) ** FOCAL_GAMMA * cross_entropy).mean()


def text_separation_loss(class_features: Tensor) -> Tensor:
    """L_TEXT: mean over the anomaly classes of |cos(X_c[normal], X_c[j])|; class_features [C, D]."""
    normal, anomalies = class_features[:1], class_features[1:]
    return functional.cosine_similarity(normal, anomalies, dim=-1).abs().mean()


def plain_distillation_loss(teacher_features: Tensor, student_features: Tensor, mask: Tensor) -> Tensor:
    """Mean squared distance to the teacher's features over real snippets: what L_UKD is compared with.

    Args:
        teacher_features: [B, T, D]; a constant, no gradient reaches it.
        student_features: [B, T, D]
        mask: [B, T] bool, at least one True.
    """
    return ((teacher_features.detach() - student_features) ** 2)[mask].mean()


def mimicry_loss(logits: Tensor, others_logits: Tensor, mask: Tensor) -> Tensor:
    """Mean over real snippets of KL(other || own) of two anomaly scores (Zhang et al., Deep Mutual Learning, 2018).

    Args:
        logits: [B, T]
        others_logits: [B, T], of the network learned from; a constant, no gradient reaches it.
        mask: [B, T] bool, at least one True.
    """
    others = others_logits.detach()[mask]
    scores = others.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(others, scores)
    return functional.binary_cross_entropy_with_logits(logits[mask], scores) - entropy


def uncertainty_distillation_loss(
    teacher_features: Tensor,
    student_features: Tensor,
    log_variance: Tensor,
    mask: Tensor,
    damaged: Tensor | None = None,
) -> Tensor:
    """L_UKD in our form: mean of w d^2 + q exp(-theta) + theta over real snippets and channels.

    As printed, eq. 11 is the mean of d^2 / sigma^2 + ln sigma^2: features that are far from the teacher's at first get
    a large sigma, and then hardly learn. Here

        w = exp(-mean_d theta) / (its mean over the bag), one for each snippet, a constant,
        q = max(d^2, .01 mean_d X_av^2 + 1e-6), a constant:

    certain snippets count more, but no bag more or less than under the plain squared distance; theta learns by the
    Gaussian likelihood alone, and has a least value. A bag's part depends on no other bag of the batch. Where the
    student sees a damaged picture, w = 0: features that follow the teacher there hide the damage from theta.

    Args:
        teacher_features: X_av, [B, T, D]; a constant, no gradient reaches it.
        student_features: X_vs or X_as, [B, T, D]; d = X_av - X_vs.
        log_variance: theta = ln sigma^2, [B, T, D]
        mask: [B, T] bool, at least one True.
        damaged: [B, T] bool, snippets whose picture is damaged for the student alone; None: none.
    """
    taught = mask if damaged is None else mask & ~damaged
    teacher = teacher_features.detach()
    squared = (teacher - student_features) ** 2
    floor = VARIANCE_FLOOR * (teacher**2).mean(dim=-1, keepdim=True) + VARIANCE_EPSILON
    likelihood = squared.detach().maximum(floor) * (-log_variance).exp() + log_variance
    return (certainty_weights(log_variance, taught)[..., None] * squared + likelihood)[mask].mean()


def certainty_weights(log_variance: Tensor, mask: Tensor) -> Tensor:
    """exp(-mean_d theta) over its mean in the bag, [B, T]; a constant, no gradient reaches theta.

    Args:
        log_variance: theta, [B, T, D]
        mask: [B, T] bool; the weight of padding is 0.
    """
    log_certainty = -log_variance.detach().mean(dim=-1)
    total = log_mean(log_certainty, mask)  # of bags without a real snippet: no number
    return (log_certainty - total[:, None]).masked_fill(~mask, -torch.inf).exp()


def released_distillation_loss(teacher_features: Tensor, student_features: Tensor, log_variance: Tensor) -> Tensor:
    """L_UKD as released: mean of d^2 / (1e-6 + 2 exp(theta)) + theta over all positions, padding included.

    It has no least value: once exp(theta) is far below 1e-6, it falls with theta without end.

    Shapes as in uncertainty_distillation_loss.
    """
    squared = (teacher_features.detach() - student_features) ** 2
    return (squared / (VARIANCE_EPSILON + 2.0 * log_variance.exp()) + log_variance).mean()
