"""All warnings about a user's labelled footage."""

from collections.abc import Sequence

from avadclip.data.footage_checks.class_sizes import check_class_sizes
from avadclip.data.footage_checks.file_properties import check_file_properties
from avadclip.data.footage_checks.near_duplicates import check_near_duplicates
from avadclip.data.footage_checks.sound_by_kind import check_sound
from avadclip.data.footage_checks.validation_size import check_validation_size
from avadclip.data.footage_checks.videos import FootageVideo
from avadclip.data.footage_checks.warning import FootageWarning

CHECKS = (check_validation_size, check_class_sizes, check_near_duplicates, check_sound, check_file_properties)


def footage_warnings(videos: Sequence[FootageVideo]) -> list[FootageWarning]:
    """What is wrong with the footage that no figure of the training would show.

    On footage without a flaw the two that are tests warn by chance: sound in at most 1 of 100 collections (Fisher's
    exact test), file properties in 8 of 329 that were drawn (24 or 60 recordings of up to 8 videos).

    Args:
        videos: all that are labelled, divided into splits or not.
    """
    found = [check(videos) for check in CHECKS]
    return [warning for warning in found if warning is not None]
