"""Whether properties of the files alone tell anomalous videos from normal ones."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold

from avadclip.data.footage_checks.grouped_auc import GroupedAuc, grouped_auc
from avadclip.data.footage_checks.videos import FileFacts, FootageVideo
from avadclip.data.footage_checks.warning import FootageWarning

PROPERTIES: Mapping[str, Callable[[FileFacts], float | None]] = {
    "width": lambda facts: facts.width,
    "height": lambda facts: facts.height,
    "frame rate": lambda facts: facts.frame_rate_hz,
    "length": lambda facts: facts.seconds,
    "bits per second": lambda facts: facts.bits_per_second,
    "sound track": lambda facts: facts.has_sound_track,
}
FEWEST_GROUPS = 10  # of each kind; fewer tell nothing
NUM_PARTS = 5  # of cross-validation
NUM_TREES = 50
LEAF_VIDEOS = 3  # of a tree, at least
CHANCE_AUC = 0.5
LEAST_ABOVE_CHANCE = 0.05  # of the interval's lower end


def check_file_properties(videos: Sequence[FootageVideo]) -> FootageWarning | None:
    """Warn where a small random forest tells the kinds apart in recordings that it has not seen."""
    named, rows, used = _table(videos)
    is_anomalous = np.array([video.is_anomalous for video in used], dtype=bool)
    groups = np.array([video.group for video in used])
    few = [len(set(groups[is_anomalous == kind])) < FEWEST_GROUPS for kind in (True, False)]
    if not named or any(few):
        return None
    auc = _cross_validated(rows, is_anomalous, groups)
    if auc.low <= CHANCE_AUC + LEAST_ABOVE_CHANCE:
        return None
    alone = [_cross_validated(rows[:, [column]], is_anomalous, groups).value for column in range(len(named))]
    best = int(np.argmax(alone))
    others = "" if len(named) == 1 else f" of {', '.join(named)}"
    return FootageWarning(
        kind="file properties tell classes apart",
        text=(
            f"properties of the files{others} tell anomalous videos from normal ones with an AUC of {auc.value:.2f} "
            f"(95 % interval {auc.low:.2f} to {auc.high:.2f}, chance 0.50), {named[best]} alone with "
            f"{alone[best]:.2f}: a network may learn where a video comes from, not what happens in it; take both kinds "
            "from the same cameras, saved the same way"
        ),
    )


def _table(videos: Sequence[FootageVideo]) -> tuple[list[str], NDArray[np.float64], list[FootageVideo]]:
    """Names of the properties that differ and are known of all videos, their values [N, P], and the N videos.

    Where some files can be read, these videos alone: a property that is known of one kind only would give it away.
    """
    known = [(video, video.facts) for video in videos if video.facts is not None]
    complete = [(video, facts) for video, facts in known if None not in facts]
    pairs = complete or known
    columns = {}
    for name, read in PROPERTIES.items():
        values = {read(facts) for _, facts in pairs}
        if None not in values and len(values) > 1:
            columns[name] = [read(facts) for _, facts in pairs]
    rows = np.array(list(columns.values()), dtype=np.float64).T
    return list(columns), rows, [video for video, _ in pairs]


def _cross_validated(
    rows: NDArray[np.float64], is_anomalous: NDArray[np.bool_], groups: NDArray[np.str_]
) -> GroupedAuc:
    """The AUC of a forest on the parts of the footage that it was not grown on; no group is in two parts."""
    scores = np.zeros(len(rows))
    parts = StratifiedGroupKFold(NUM_PARTS, shuffle=True, random_state=0)
    for seen, unseen in parts.split(rows, is_anomalous, groups):
        forest = RandomForestClassifier(
            NUM_TREES, min_samples_leaf=LEAF_VIDEOS, class_weight="balanced", random_state=0
        )
        forest.fit(rows[seen], is_anomalous[seen])
        scores[unseen] = forest.predict_proba(rows[unseen])[:, 1]
    return grouped_auc(is_anomalous, scores, groups)
