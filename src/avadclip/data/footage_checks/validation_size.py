"""Whether validation holds enough videos to choose an epoch or a threshold by."""

from collections.abc import Sequence
from itertools import count
from math import sqrt

from avadclip.data.footage_checks.grouped_auc import DEVIATIONS
from avadclip.data.footage_checks.videos import FootageVideo
from avadclip.data.footage_checks.warning import FootageWarning

USUAL_AUC = 0.85  # of a network worth choosing
WIDEST = 0.1  # that the interval may reach to either side; epochs of one run seldom differ by more


def auc_margin(num_anomalous: int, num_normal: int, auc: float = USUAL_AUC) -> float:
    """How far the 95 % interval of an AUC reaches to either side (Hanley and McNeil, 1982).

    Args:
        num_anomalous: independent ones, at least one.
        num_normal: at least one.
        auc: above 0, below 1.
    """
    two_anomalous = auc / (2 - auc) - auc**2
    two_normal = 2 * auc**2 / (1 + auc) - auc**2
    variance = auc * (1 - auc) + (num_anomalous - 1) * two_anomalous + (num_normal - 1) * two_normal
    return DEVIATIONS * sqrt(variance / (num_anomalous * num_normal))


def num_needed() -> int:
    """The least number of each kind whose interval is not wider than WIDEST."""
    return next(num for num in count(1) if auc_margin(num, num) <= WIDEST)


def check_validation_size(videos: Sequence[FootageVideo]) -> FootageWarning | None:
    """Warn where an interval on the validation videos is too wide; nothing where the videos are not for training."""
    if not any(video.split == "train" for video in videos):
        return None
    validation = [video for video in videos if video.split == "validation"]
    of_kind = {kind: [video for video in validation if video.is_anomalous == kind] for kind in (True, False)}
    num = {kind: len(videos) for kind, videos in of_kind.items()}
    num_groups = {kind: len({video.group for video in videos}) for kind, videos in of_kind.items()}
    found = f"validation holds {num[True]} anomalous and {num[False]} normal videos"
    if num_groups != num:
        found += f", of {num_groups[True]} and {num_groups[False]} recordings"
    if not (num[True] and num[False]):
        why = "no epoch and no threshold can be chosen"
    else:
        margin = auc_margin(num_groups[True], num_groups[False])
        if margin <= WIDEST:
            return None
        why = (
            f"an AUC of {USUAL_AUC} measured on so few is uncertain by {margin:.2f} to either side (95 % interval), "
            "more than epochs and thresholds differ by"
        )
    return FootageWarning(
        kind="validation too small",
        text=(
            f"{found}: {why}; about {num_needed()} of each kind are needed, each of a recording of its own: add some, "
            "or take the last epoch and set thresholds by `avadclip calibrate`"
        ),
    )
