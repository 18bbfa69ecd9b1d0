"""Whether nearly equal videos stand in different splits or groups."""

from collections.abc import Sequence

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from avadclip.data.footage_checks.own_groups import collapses, near_duplicates
from avadclip.data.footage_checks.videos import FootageVideo
from avadclip.data.footage_checks.warning import FootageWarning


def check_near_duplicates(videos: Sequence[FootageVideo]) -> FootageWarning | None:
    """Warn where the pictures of two videos are nearly equal, but not of one group; across splits first.

    Only videos whose features are in memory are compared. Where most of the normal or of the anomalous ones would be
    one recording then, they are of one fixed camera, and nothing is said.
    """
    pairs = [(video, video.features) for video in videos if video.features is not None]
    compared = [video for video, _ in pairs]
    indices = [
        (one, other)
        for one, other in near_duplicates([features for _, features in pairs])
        if compared[one].group != compared[other].group
    ]
    if not indices or _is_one_camera(compared, indices):
        return None
    found = [(compared[one], compared[other]) for one, other in indices]
    across = [pair for pair in found if pair[0].split != pair[1].split]
    if across:
        where = "in different splits"
        why = "figures on one split are too high where its videos were learned in another"
    else:
        where = "in different groups"
        why = "a fold or a held-out part may be measured on what was trained on"
    one, other = (across or found)[0]
    num = len(across or found)
    return FootageWarning(
        kind="near-duplicates",
        text=(
            f"{num} {'pair' if num == 1 else 'pairs'} of videos {where} look nearly equal, the first {one.name} and "
            f"{other.name}: {why}; give the videos of one recording the same `group` in the labels, or remove copies"
        ),
    )


def _is_one_camera(videos: Sequence[FootageVideo], pairs: Sequence[tuple[int, int]]) -> bool:
    rows, columns = zip(*pairs, strict=True)
    links = coo_array(([1] * len(pairs), (rows, columns)), shape=(len(videos), len(videos)))
    _, components = connected_components(links, directed=False)
    return collapses([str(each) for each in components], [video.is_anomalous for video in videos])
