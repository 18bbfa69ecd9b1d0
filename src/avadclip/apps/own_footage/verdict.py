"""The verdict of a run in plain sentences, for the terminal, the card and the page."""

from collections.abc import Mapping
from typing import NamedTuple

from avadclip.apps.own_footage.measure import FEWEST_GROUPS, Measured
from avadclip.evaluation.metrics.bootstrap import CONFIDENCE_PERCENT
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, VISUAL_STUDENT
from avadclip.report.words import counted

NOT_MEASURED = (
    "Better than chance: not measured. All normal or all anomalous videos are of one recording, so none could be left "
    "out; add videos from other recordings, of both kinds."
)
MOST_TO_ADD = 5  # times the videos there are; beyond that a number would pretend to know


class PlainVerdict(NamedTuple):
    """What a user should believe of the trained networks."""

    headline: str
    operating_point: str
    """Empty where nothing was measured."""
    is_shown: bool


def choose_default(measured: Mapping[str, Measured]) -> str:
    """The network that scores by default: both students where they rank videos better than the picture alone."""
    both, visual = measured.get(BOTH_STUDENTS), measured.get(VISUAL_STUDENT)
    if both is not None and visual is not None and both.auc.value > visual.auc.value:
        return BOTH_STUDENTS
    return VISUAL_STUDENT


def judge(measured: Measured | None) -> PlainVerdict:
    """The verdict on one network; None where it could not be measured."""
    if measured is None:
        return PlainVerdict(NOT_MEASURED, "", is_shown=False)
    auc, videos = measured.auc, counted(len(measured.bags), "video")
    figures = (
        f"(AUC {_share(auc.value)}, {CONFIDENCE_PERCENT} % interval {_share(auc.low)} to {_share(auc.high)}, out of "
        f"fold, {videos} in {counted(measured.num_groups, 'group')})"
    )
    if measured.is_shown:
        return PlainVerdict(f"Better than chance: shown {figures}.", _operating_point(measured), is_shown=True)
    return PlainVerdict(
        f"Better than chance: not shown {figures}; {_what_to_add(measured)}.",
        _operating_point(measured),
        is_shown=False,
    )


def describe_others(measured: Mapping[str, Measured], default: str) -> list[str]:
    """A sentence for each network beside the default one."""
    names = {VISUAL_STUDENT: "picture alone", AUDIO_STUDENT: "sound alone", BOTH_STUDENTS: "picture or sound"}
    return [
        f"Beside it, {names[name]}: AUC {_share(each.auc.value)} ({_share(each.auc.low)} to {_share(each.auc.high)}) "
        f"on {counted(len(each.bags), 'video')}."
        for name, each in measured.items()
        if name != default
    ]


def _what_to_add(measured: Measured) -> str:
    more = measured.videos_to_add()
    if more is None:
        return "no number of such videos would show it; check the labels, or whether the event can be seen at all"
    few = f" (a kind has {counted(measured.fewest_groups, 'group')}, needed {FEWEST_GROUPS})"
    reason = few if measured.fewest_groups < FEWEST_GROUPS else ""
    if more > MOST_TO_ADD * len(measured.bags):
        return f"add more than {MOST_TO_ADD * len(measured.bags)} videos from other recordings{reason}"
    return f"add about {more} videos from other recordings{reason}"


def _operating_point(measured: Measured) -> str:
    found, num_anomalous = measured.flagged(anomalous=True)
    false, num_normal = measured.flagged(anomalous=False)
    words = (
        f"At the chosen threshold, {measured.thresholds.detection:.2f}, {found} of {num_anomalous} anomalous videos "
        f"are found and {false} of {num_normal} normal ones flagged, out of fold."
    )
    if not found:
        return f"Warning: no anomalous video is found. {words}"
    return f"Warning: most normal videos are flagged. {words}" if 2 * false > num_normal else words


def _share(value: float) -> str:
    """.81, or 1.00."""
    return f"{value:.2f}".removeprefix("0")
