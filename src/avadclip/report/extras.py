"""What a report folder with a page holds on request; apart from what writes it, so that a command line loads fast."""

from enum import StrEnum


class Extra(StrEnum):
    """More files in a report folder."""

    ANNOTATED_VIDEO = "annotated-video"
    ELAN = "elan"
    LABEL_STUDIO = "label-studio"
    TIMELINE = "opentimelineio"
