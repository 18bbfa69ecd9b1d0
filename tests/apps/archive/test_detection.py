from avadclip.apps.archive.detection import DetectionJob, DetectionWork
from avadclip.events import EventRules


def make_work(**rules: float) -> DetectionWork:
    return DetectionJob("starter", None, None, "cpu", None, EventRules(**rules)).load()


def test_an_archive_of_0_1_0_is_current_and_other_rules_make_another_result() -> None:
    work = make_work(min_seconds=0.5)
    of_0_1_0 = ("features", "model", "classes", "threshold", "min_seconds", "merge_gap_seconds")
    assert tuple(work.identity()) == of_0_1_0
    rules = [work.identity()[name] for name in ("threshold", "min_seconds", "merge_gap_seconds")]
    assert rules == [None, 0.5, 1.0]
    assert make_work(release_share=0.5).identity()["release_share"] == 0.5
