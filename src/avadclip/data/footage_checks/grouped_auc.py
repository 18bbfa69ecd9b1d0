"""ROC AUC with an interval, where videos come in groups."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

DEVIATIONS = 1.96  # of a normal distribution, to either side of a 95 % interval


class GroupedAuc(NamedTuple):
    """Share of pairs in which the anomalous video has the higher score; ties count half."""

    value: float
    low: float
    """Of the 95 % interval."""
    high: float


def grouped_auc(is_anomalous: NDArray[np.bool_], scores: NDArray[np.float64], groups: NDArray[np.str_]) -> GroupedAuc:
    """The AUC, and how far another draw of groups would move it (Obuchowski, 1997, of clustered ROC data).

    Args:
        is_anomalous: [N], some of each kind.
        scores: [N]
        groups: [N], name of each video's group, which may hold both kinds.
    """
    num = {True: int(is_anomalous.sum()), False: int((~is_anomalous).sum())}
    ranks = rankdata(scores)
    # How many of the other kind are below each video, ties counted half: its rank among all less that in its own kind.
    below = np.empty(len(scores))
    for kind in (True, False):
        own = is_anomalous == kind
        below[own] = ranks[own] - rankdata(scores[own])
    won = {True: below / num[False], False: 1 - below / num[True]}
    value = float(won[True][is_anomalous].mean())
    members = np.unique(groups, return_inverse=True)[1]
    excess, num_groups = {}, {}
    for kind in (True, False):
        own = is_anomalous == kind
        excess[kind] = np.bincount(members[own], won[kind][own] - value, members.max() + 1) / num[kind]
        num_groups[kind] = len(set(members[own]))
    if min(num_groups.values()) < 2:
        return GroupedAuc(value, 0.0, 1.0)
    variance = sum(
        num_groups[kind] / (num_groups[kind] - 1) * float((excess[kind] ** 2).sum()) for kind in (True, False)
    )
    total = members.max() + 1
    variance += 2 * total / (total - 1) * float((excess[True] * excess[False]).sum())
    margin = DEVIATIONS * float(np.sqrt(max(variance, 0.0)))
    return GroupedAuc(value, max(value - margin, 0.0), min(value + margin, 1.0))
