"""Whether sound alone tells anomalous videos from normal ones."""

from collections.abc import Sequence

from scipy.stats import fisher_exact

from avadclip.data.footage_checks.videos import FootageVideo
from avadclip.data.footage_checks.warning import FootageWarning

CHANCE = 0.01  # of this warning where sound has nothing to do with the kind, at most
NEARLY_ONLY = 4  # times as often in one kind as in the other


def check_sound(videos: Sequence[FootageVideo]) -> FootageWarning | None:
    """Warn where nearly only one kind of videos has sound, beyond chance (Fisher's exact test).

    The test counts recordings, not videos: what is cut from one has one microphone, or none.
    """
    shares, table = {}, []
    for kind in (True, False):
        own = [video for video in videos if video.is_anomalous == kind]
        if not own:
            return None
        num_groups = len({video.group for video in own})
        num_audible = len({video.group for video in own if video.has_usable_sound})
        table.append([num_audible, num_groups - num_audible])
        shares[kind] = num_audible / num_groups
    more = shares[True] >= shares[False]
    if NEARLY_ONLY * shares[not more] > shares[more] or fisher_exact(table).pvalue >= CHANCE:
        return None
    counts = {
        kind: f"{sum(video.has_usable_sound for video in own)} of {len(own)}"
        for kind in (True, False)
        if (own := [video for video in videos if video.is_anomalous == kind])
    }
    words = {True: "anomalous", False: "normal"}
    return FootageWarning(
        kind="sound in one class",
        text=(
            f"{counts[more]} {words[more]} videos have sound, but only {counts[not more]} {words[not more]} ones: "
            "a network that hears learns which cameras have a microphone, not what happens; "
            f"add {words[not more]} videos with sound, or train on the picture alone"
        ),
    )
