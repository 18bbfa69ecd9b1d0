"""Whether the classes have about equally many videos to learn from."""

from collections import Counter
from collections.abc import Sequence

from avadclip.data.footage_checks.videos import FootageVideo
from avadclip.data.footage_checks.warning import FootageWarning
from avadclip.labels import NORMAL

MOST_TIMES = 5  # that the largest class may be larger than another


def check_class_sizes(videos: Sequence[FootageVideo]) -> FootageWarning | None:
    """Warn where a class has much fewer videos than the largest; test videos do not count.

    Anomaly classes are compared with each other, and all of them together with `normal`.
    """
    learned = [video for video in videos if video.split != "test"]
    num_anomalous = sum(video.is_anomalous for video in learned)
    kinds = {"anomalous": num_anomalous, NORMAL: len(learned) - num_anomalous}
    classes = Counter(label for video in learned for label in video.labels if label != NORMAL)
    if _is_unbalanced(kinds):
        fewer, more = sorted(kinds, key=kinds.__getitem__)
        found = f"{kinds[fewer]} {fewer} videos stand against {kinds[more]} {more} ones"
        why = "what is rare is learned from a few recordings, by heart"
        do = f"add {fewer} videos"
    elif _is_unbalanced(classes):
        largest, num_largest = classes.most_common(1)[0]
        rare = [f"`{name}` {num}" for name, num in classes.items() if MOST_TIMES * num < num_largest]
        found = f"of the anomalous videos `{largest}` has {num_largest}, but {', '.join(rare)}"
        why = "a rare class is hardly ever named, and its events get the name of a common one"
        do = "add videos of it, or join it with another class"
    else:
        return None
    return FootageWarning(kind="classes unbalanced", text=f"{found}: {why}; {do}")


def _is_unbalanced(sizes: dict[str, int] | Counter[str]) -> bool:
    return bool(sizes) and MOST_TIMES * min(sizes.values()) < max(sizes.values())
