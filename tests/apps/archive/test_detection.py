import dataclasses
from typing import Any

from avadclip.apps.archive.detection import DetectionJob, DetectionWork
from avadclip.apps.archive.extraction import ExtractionJob
from avadclip.encoders.load import EncoderOptions
from avadclip.events import EventRules, SoundRule
from avadclip.timeline import SnippetGrid


def make_work(*, sounds: bool = True, **rules: Any) -> DetectionWork:
    return DetectionJob("starter-1", None, None, "cpu", None, EventRules(**rules), sounds=sounds).load()


def test_an_archive_of_0_1_0_is_current_without_sounds_and_other_rules_make_another_result() -> None:
    work = make_work(min_seconds=0.5, sounds=False)
    of_0_1_0 = ("features", "model", "classes", "threshold", "min_seconds", "merge_gap_seconds")
    assert tuple(work.identity()) == of_0_1_0
    rules = [work.identity()[name] for name in ("threshold", "min_seconds", "merge_gap_seconds")]
    assert rules == [None, 0.5, 1.0]
    assert make_work(release_share=0.5).identity()["release_share"] == 0.5


def test_another_network_makes_another_result() -> None:
    job = DetectionJob("starter", None, None, "cpu", None, EventRules(), sounds=False)
    chosen = dataclasses.replace(job, network="visual student").load().identity()
    assert chosen == {**job.load().identity(), "network": "visual student"}


def test_other_sounds_make_another_result() -> None:
    default = make_work().identity()
    assert (default["sounds"], default["tagger"]["name"]) == (None, "yamnet")
    rule = SoundRule("dog", ("Dog",), 0.4)
    assert make_work(sounds=True).identity() == default
    assert DetectionWork(DetectionJob("starter-1", None, None, "cpu", None, EventRules(sounds=(rule,)))).identity()[
        "sounds"
    ] == (dataclasses.asdict(rule),)


def test_still_footage_skipped_makes_another_result() -> None:
    job = DetectionJob("starter", None, None, "cpu", None, EventRules(), sounds=False)
    full, skipped = job.load().identity(), dataclasses.replace(job, skip_still=True).load().identity()
    assert skipped["features"]["visual"] == {**full["features"]["visual"], "skip_still": 1}
    extraction = ExtractionJob("lite", EncoderOptions(sound=False), SnippetGrid())
    visual = dataclasses.replace(extraction, skip_still=True).load().identity()["visual"]
    assert visual == {**extraction.load().identity()["visual"], "skip_still": 1}
