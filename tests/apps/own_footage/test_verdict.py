from pathlib import Path

from avadclip.apps.own_footage.jobs import TrainingJob, do
from avadclip.apps.own_footage.measure import Measured, divide, measure
from avadclip.apps.own_footage.verdict import choose_default, judge
from avadclip.data.bags import Bag
from avadclip.evaluation.metrics.bootstrap import Bounded
from avadclip.events import Thresholds
from avadclip.inference.networks import BOTH_STUDENTS, VISUAL_STUDENT

from .conftest import MakeBags


def measured_as(bags: list[Bag], value: float, low: float, high: float, *, threshold: float = 0.5) -> Measured:
    curves = [bag.targets[1:] * 0.6 for bag in bags]  # .6 of anomalous videos, 0 of normal ones
    return Measured(VISUAL_STUDENT, bags, curves, Bounded(value, low, high), Thresholds(threshold, None))


def out_of_fold(bags: list[Bag], folder: Path) -> Measured | None:
    """Trained and measured as a run does it, in this process."""
    scores: dict[str, list[float]] = {}
    for number, held_out in enumerate(divide(bags)):
        job = TrainingJob(
            title="fold",
            learned=[bag for index, bag in enumerate(bags) if index not in held_out],
            scored=[bags[index] for index in held_out],
            classes=("normal", "fighting"),
            students=(VISUAL_STUDENT,),
            started=frozenset(),
            result=folder / f"{number}.json",
        )
        scores |= do(job).scores[VISUAL_STUDENT]
    return measure(VISUAL_STUDENT, bags, scores)


def test_what_is_shown_is_said_with_its_figures(make_bags: MakeBags) -> None:
    verdict = judge(measured_as(make_bags(), 0.81, 0.7, 0.9))
    assert verdict.headline == (
        "Better than chance: shown (AUC .81, 95 % interval .70 to .90, out of fold, 20 videos in 20 groups)."
    )
    assert verdict.operating_point == (
        "At the chosen threshold, 0.50, 10 of 10 anomalous videos are found and 0 of 10 normal ones flagged, "
        "out of fold."
    )


def test_what_is_not_shown_is_said_with_what_would_show_it(make_bags: MakeBags) -> None:
    verdict = judge(measured_as(make_bags(), 0.7, 0.3, 0.9))
    assert verdict.headline.startswith("Better than chance: not shown (AUC .70, ")
    assert verdict.headline.endswith("; add about 60 videos from other recordings.")
    assert "no number of such videos" in judge(measured_as(make_bags(), 0.45, 0.3, 0.6)).headline
    assert "add more than 100 videos" in judge(measured_as(make_bags(), 0.52, 0.3, 0.6)).headline
    assert judge(None).headline.startswith("Better than chance: not measured.")


def test_a_threshold_that_finds_nothing_is_warned_of(make_bags: MakeBags) -> None:
    verdict = judge(measured_as(make_bags(), 0.81, 0.7, 0.9, threshold=0.7))
    assert verdict.operating_point.startswith("Warning: no anomalous video is found. ")


def test_both_students_are_the_default_only_where_they_rank_better(make_bags: MakeBags) -> None:
    one, better = measured_as(make_bags(), 0.7, 0.6, 0.8), measured_as(make_bags(), 0.71, 0.6, 0.8)
    assert choose_default({VISUAL_STUDENT: one, BOTH_STUDENTS: better}) == BOTH_STUDENTS
    assert choose_default({VISUAL_STUDENT: one, BOTH_STUDENTS: one}) == VISUAL_STUDENT
    assert choose_default({}) == VISUAL_STUDENT


def test_twenty_videos_with_random_labels_show_nothing(make_bags: MakeBags, tmp_path: Path) -> None:
    assert judge(out_of_fold(make_bags(10, 10), tmp_path)).headline.startswith("Better than chance: not shown")
