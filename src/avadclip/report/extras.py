"""Optional files of a report folder; separate from their writers, so that the command line loads fast."""

from enum import StrEnum


class Extra(StrEnum):
    """More files in a report folder."""

    ANNOTATED_VIDEO = "annotated-video"
    ELAN = "elan"
    LABEL_STUDIO = "label-studio"
    TIMELINE = "opentimelineio"
