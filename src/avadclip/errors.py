"""Exceptions for problems of a user's input: one class per kind, one line per message.

Every message states what was found, what was needed, and what to do.
"""

MAX_BEGINNING, MAX_END = 600, 200  # characters of a message; a file may hold a name or a number of a megabyte


class AvadclipError(Exception):
    """A problem with the input that the user can act on.

    Args:
        message: line ends become spaces, and the middle of an endless one is left out: files may hold anything.
    """

    def __init__(self, message: str) -> None:
        message = " ".join(message.splitlines())
        if len(message) > MAX_BEGINNING + MAX_END:
            message = f"{message[:MAX_BEGINNING]} .. {message[-MAX_END:]}"
        super().__init__(message)


def reason_by_pydantic(message: str) -> str:
    """Convert pydantic's message about a value for use inside another message."""
    reason = message.removeprefix("Value error, ")
    return reason[:1].lower() + reason[1:]


class MediaError(AvadclipError):
    """A video or its sound track cannot be read."""


class WeightsError(AvadclipError):
    """Encoder weights are missing, damaged, or not the ones expected."""


class FeatureError(AvadclipError):
    """A feature file is missing, damaged, or made for another model."""


class CheckpointError(AvadclipError):
    """A checkpoint is missing, damaged, or does not fit the request."""


class ConfigError(AvadclipError):
    """A configuration file or option holds something unusable."""


class DataError(AvadclipError):
    """A dataset (labels, lists, annotations) is not usable as given."""
