import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import avadclip.evaluation.evaluate
from avadclip.baselines.build import build_system
from avadclip.config import NetworkConfig
from avadclip.data.bags import Bag, Dataset, Interval, Span
from avadclip.data.given_scores import GivenScores
from avadclip.errors import AvadclipError, CheckpointError, DataError
from avadclip.evaluation.evaluate import check_fit, evaluate, evaluate_given
from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.records import Report
from avadclip.evaluation.truths import video_truth
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader
from avadclip.inference.networks import build_network
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.model.base import System
from avadclip.timeline import SnippetGrid

CLASSES = ("normal", "fighting", "riot")
GRID = SnippetGrid(snippet_frames=16, frame_rate_hz=24.0)
SNIPPET = GRID.snippet_seconds
DIM = 8


def make_bag(
    name: str, num_snippets: int, intervals: Sequence[tuple[str, float, float]] | None = (), *, with_sound: bool = True
) -> Bag:
    random = np.random.default_rng(num_snippets)
    visual, audio = (random.normal(size=(num_snippets, DIM)).astype(np.float32) for _ in range(2))
    features = SnippetFeatures(visual[None], audio if with_sound else None, num_snippets * SNIPPET, provenance=None)
    targets = np.zeros(len(CLASSES), dtype=np.float32)
    for label, _, _ in intervals or ():
        targets[CLASSES.index(label) if label in CLASSES else 1] = 1
    targets[0] = not targets.any()
    annotated = None if intervals is None else tuple(Interval(*each) for each in intervals)
    return Bag(name, name, features, targets, annotated)


BAGS = (
    make_bag("brawl", 6, [("fighting", 2 * SNIPPET, 4 * SNIPPET)]),
    make_bag("march", 5, [("riot", 1 * SNIPPET, 3 * SNIPPET)]),
    make_bag("street", 4),
)


def make_network(kind: str = "teacher") -> System:
    torch.manual_seed(0)
    config = NetworkConfig(embed_dim=DIM)
    return build_network(kind, visual_dim=DIM, audio_dim=DIM, classes=CLASSES, network=config).frozen()


def measured(
    network: System | None = None,
    bags: Sequence[Bag] = BAGS,
    *,
    split: str = "test",
    selection: str = "validation",
    grid: SnippetGrid = GRID,
    on_video: Callable[[str, int], None] | None = None,
    **changes: object,
) -> Report:
    """The report on a dataset of these bags."""
    network = network or make_network()
    network.selection = selection
    dataset = Dataset("yard", CLASSES, grid, train=(), **{"validation": (), "test": (), split: tuple(bags), **changes})
    return evaluate(network, dataset, split, on_video=on_video)


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that equal the truth: 1 for its class in every snippet it touches, a little less normal elsewhere."""

    def score(trained: System, features: SnippetFeatures) -> SnippetScores:
        bag = next(bag for bag in BAGS if bag.load() is features)
        probabilities = np.zeros((len(features), len(CLASSES)), dtype=np.float32)
        for label, start, end in bag.intervals or ():
            probabilities[round(start / SNIPPET) : round(end / SNIPPET), CLASSES.index(label)] = 1
        probabilities[:, 0] = 1 - probabilities.sum(axis=1)
        return SnippetScores(1 - probabilities[:, 0], probabilities)

    monkeypatch.setattr(avadclip.evaluation.evaluate, "score_features", score)


def test_an_oracle_gets_100_in_all_but_legacy(oracle: None) -> None:
    report = measured()
    for head in ("classifier", "alignment"):
        assert [report.percent(name, head=head) for name in ("frame_ap", "pr_auc", "roc_auc")] == [100.0] * 3
    assert [report.percent("map", protocol="strict", iou=iou) for iou in (0.1, 0.5, "AVG")] == [100.0] * 3
    assert [report.percent("class_ap", protocol="strict", iou="AVG", label=label) for label in CLASSES] == [
        *(None, 100.0, 100.0)
    ]
    # The normal video's curve is flat, hence no proposal; the two anomalous videos' four normal runs are false alarms.
    assert report.percent("map", protocol="legacy", iou=0.5) == pytest.approx(200 / 3)
    assert report.percent("class_ap", protocol="legacy", iou=0.5, label="normal") == 0.0


def test_counts_are_of_scored_frames() -> None:
    report = measured()
    assert (report.num_videos, report.num_frames, report.snippet_frames) == (3, 15 * 16, 16)
    assert report.positive_percent == pytest.approx(100 * 4 / 15)
    assert report.num_truths == {"fighting": 1, "riot": 1}


def test_every_number_carries_head_protocol_split_and_selection() -> None:
    report = measured(split="validation", selection="test")
    assert len(report.measures) == 2 * 4 + 2 * 6 * (1 + len(CLASSES))
    for measure in report.measures:
        assert (measure.split, measure.selection) == ("validation", "test")
        assert measure.head in ("classifier", "alignment")
        assert measure.protocol in ("frame", "legacy", "strict")


def test_a_report_survives_json() -> None:
    report = measured()
    assert Report.model_validate_json(report.model_dump_json()) == report
    with pytest.raises(KeyError):
        report.percent("map", protocol="strict", iou=0.7)


def test_what_is_undefined_is_none_and_explained() -> None:
    report = measured(bags=BAGS[2:])
    assert report.percent("frame_ap", head="classifier") is None
    assert report.percent("roc_auc") is None
    assert report.percent("map", protocol="strict", iou="AVG") is None
    assert report.notes[1:] == ("mAP legacy counts classes without truth as 0, strict leaves them out: fighting, riot",)
    assert report.false_alarms == report.f1 == ()
    silent = measured(bags=[make_bag("blink", 1)])
    assert silent.notes[1] == (
        "mAP legacy is 0 throughout because one class has no proposal at all: normal, fighting, riot"
    )


def test_false_alarms_and_calibration_of_an_oracle(oracle: None) -> None:
    report = measured()
    assert report.normal_hours == pytest.approx(11 * SNIPPET / 3600)
    assert [(each.head, each.wanted_recall_percent) for each in report.false_alarms] == [
        *(("classifier", 50.0), ("classifier", 80.0), ("alignment", 50.0), ("alignment", 80.0))
    ]
    assert {(each.recall_percent, each.threshold, each.per_hour) for each in report.false_alarms} == {(100.0, 1.0, 0.0)}
    assert report.percent("calibration_error", head="classifier") == 0.0


def test_every_auc_is_the_sum_of_its_parts_and_every_ap_stands_beside_its_control() -> None:
    report = measured(bags=BAGS * 5)
    assert [parts.head for parts in report.auc_parts] == ["classifier", "alignment"]
    for parts in report.auc_parts:
        w = parts.within_share_percent / 100
        total = w * (parts.within_percent or 0) + (1 - w) * (parts.cross_percent or 0)
        assert total == pytest.approx(report.percent("roc_auc", head=parts.head), abs=1e-9)
        for name, chance in (("frame_ap", 100 * 4 / 15), ("pr_auc", 100 * 4 / 15), ("roc_auc", 50.0)):
            value, control, kept = (
                report.percent(name, head=parts.head, part=part)
                for part in ("percent", "video_mean_percent", "kept_percent")
            )
            assert control is not None
            if value > chance:
                assert kept == pytest.approx(100 * (control - chance) / (value - chance))
            else:
                assert kept is None
    assert [(each.head, each.seconds) for each in report.latency_ap] == [
        (head, seconds) for head in ("classifier", "alignment") for seconds in (2.0, 5.0, 10.0)
    ]


def test_the_control_of_an_oracle_keeps_what_knowing_the_videos_is_worth(oracle: None) -> None:
    # Means: march 2/5, brawl 2/6, street 0. Of 4 anomalous and 11 normal snippets: 2 of 5 first, then 2 of 6.
    report = measured()
    means = {
        name: report.percent(name, head="classifier", part="video_mean_percent") for name in ("frame_ap", "roc_auc")
    }
    assert means["frame_ap"] == pytest.approx(100 * (0.5 * 2 / 5 + 0.5 * 4 / 11))
    # Each of march's two is tied with 3 and above 8; each of brawl's with 4, and above 4.
    assert means["roc_auc"] == pytest.approx(100 * (2 * (3 / 2 + 8) + 2 * (4 / 2 + 4)) / 44)
    assert report.percent("roc_auc", head="classifier", part="kept_percent") == pytest.approx(
        100 * (means["roc_auc"] - 50) / 50
    )
    parts = report.auc_parts[0]
    assert (parts.within_percent, parts.cross_percent) == (100.0, 100.0)
    assert parts.within_share_percent == pytest.approx(100 * (2 * 4 + 2 * 3) / 44)


def test_recall_of_an_oracle_at_every_limit(oracle: None) -> None:
    report = measured()
    assert [(each.limit_of, each.limit) for each in report.recalls if each.head == "classifier"] == [
        *(("false_alarms_per_hour", limit) for limit in (0.1, 1.0, 10.0)),
        ("false_positive_percent", 1.0),
    ]
    assert {(each.recall_percent, each.threshold, each.reached) for each in report.recalls} == {(100.0, 1.0, 0.0)}
    assert {(each.low_percent, each.high_percent) for each in report.recalls} == {(100.0, 100.0)}
    assert report.hard_normals == ()
    assert "recall at 0.1, 1, 10 false alarms per hour: 0.00 h of normal time allow none at all" in report.notes


QUIET = (*BAGS, make_bag("street-by-night", 4))


def night_scores() -> GivenScores:
    """The fights are found at .9, the street by night is taken for one at .95, and nothing else stands out."""
    rows = [[0.1, 0.1, 0.9, 0.9, 0.1, 0.1], [0.1, 0.9, 0.9, 0.1, 0.1], [0.1] * 4, [0.1, 0.95, 0.95, 0.1]]
    return GivenScores("rival.npy", tuple(np.array(each, dtype=np.float32) for each in rows), 16, ())


def test_hard_normal_videos_are_measured_apart() -> None:
    dataset = Dataset("yard", CLASSES, GRID, (), (), QUIET)
    report = evaluate_given(night_scores(), dataset, hard_normals=["street-by-night.mp4"])
    assert report.num_hard_normals == 1
    assert report.hard_normal_hours == pytest.approx(4 * SNIPPET / 3600)
    found = {(each.name, each.limit): each for each in report.hard_normals}
    area = found["roc_auc_percent", None]
    assert (area.hard, area.others) == (50.0, 100.0)  # two of its snippets are above all fights, two below
    frames = found["false_positive_percent", 1.0]
    assert (frames.hard, frames.others) == (0.0, 0.0)  # not even .95 keeps to the limit, so nothing is called
    assert evaluate_given(night_scores(), dataset).hard_normals == ()


def test_the_auc_against_hard_normal_videos_is_scikit_learns_without_other_normal_frames() -> None:
    random = np.random.default_rng(0)
    scores = GivenScores("rival.npy", tuple(random.random(len(bag.stored)) for bag in QUIET), 16, ())
    report = evaluate_given(scores, Dataset("yard", CLASSES, GRID, (), (), QUIET), hard_normals=["street"])
    truth = np.concatenate([video_truth(bag, CLASSES, GRID).is_positive for bag in QUIET])
    frames = np.repeat(np.concatenate(scores.rows), 16)
    is_hard = np.repeat([bag.name == "street" for bag in QUIET], [16 * len(bag.stored) for bag in QUIET])
    area = report.hard_normals[0]
    for value, left_out in ((area.hard, ~is_hard & ~truth), (area.others, is_hard)):
        assert value == pytest.approx(100 * roc_auc_score(truth[~left_out], frames[~left_out]))


def test_a_threshold_that_keeps_to_a_limit_over_all_may_break_it_where_it_is_hard() -> None:
    # An hour of a normal street, and a minute of a hard one with an alarm: .95 is allowed once in an hour.
    long = make_bag("long-street", 5490)
    night = make_bag("street-by-night", 90)
    rows = [*night_scores().rows[:2], np.full(5490, 0.1), np.append([0.95, 0.95], np.full(88, 0.1))]
    scores = GivenScores("rival.npy", tuple(np.float32(each) for each in rows), 16, ())
    dataset = Dataset("yard", CLASSES, GRID, (), (), (*BAGS[:2], long, night))
    report = evaluate_given(scores, dataset, hard_normals=["street-by-night"])
    (once,) = (each for each in report.hard_normals if each.name == "false_alarms_per_hour" and each.limit == 1)
    assert once.hard == pytest.approx(60.0)
    assert once.others == 0.0
    # One alarm in a minute: Poisson's interval is [0.0253, 5.572] times sixty.
    assert (once.low, once.high) == (pytest.approx(60 * 0.02532, rel=1e-3), pytest.approx(60 * 5.5716, rel=1e-3))
    (over_all,) = (each for each in report.recalls if (each.limit_of, each.limit) == ("false_alarms_per_hour", 1))
    assert over_all.reached == pytest.approx(1 / report.normal_hours)
    assert over_all.recall_percent == 100.0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["street", "strete-by-night"], "1 of 2 hard normal videos are not in the split, the first is strete-by-night"),
        (["brawl"], "brawl is listed as hard normal, but labelled anomalous; take it off the list"),
    ],
)
def test_a_hard_normal_video_is_a_normal_one_of_the_split(names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(make_network(), Dataset("yard", CLASSES, GRID, (), (), BAGS), hard_normals=names)


def test_hard_normal_videos_need_times() -> None:
    dataset = Dataset("yard", CLASSES, GRID, (), (), tuple(map(without_times, BAGS)))
    report = evaluate(make_network(), dataset, hard_normals=["street"])
    assert "no measures of hard normal videos: they need annotated times in every video" in report.notes


def test_f1_is_of_the_threshold_that_validation_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = make_bag("yard-1", 4, [("fighting", SNIPPET, 2 * SNIPPET)])
    curves = {
        "yard-1": [0.1, 0.6, 0.4, 0.1],  # best F1 from .6 on
        "brawl": [0.1, 0.1, 0.9, 0.5, 0.1, 0.1],  # .9 of the two is called
        "march": [0.1, 0.1, 0.1, 0.1, 0.7],  # called in the wrong place
        "street": [0.5, 0.5, 0.5, 0.5],
    }

    def score(trained: System, features: SnippetFeatures) -> SnippetScores:
        name = next(bag.name for bag in (*BAGS, held_out) if bag.load() is features)
        scores = np.array(curves[name], dtype=np.float32)
        return SnippetScores(scores, np.stack([1 - scores, scores, 0 * scores], axis=1))

    monkeypatch.setattr(avadclip.evaluation.evaluate, "score_features", score)
    report = measured(validation=[held_out])
    frame, video = (each for each in report.f1 if each.head == "classifier")
    assert (frame.unit, frame.threshold_from, video.unit) == ("frame", "validation", "video")
    assert frame.threshold == video.threshold == pytest.approx(0.6)
    assert frame.percent == pytest.approx(100 * 2 * 1 / (2 + 4))  # of 2 snippets called and 4 anomalous, 1 is both
    assert video.percent == 100.0  # two videos are called, and two are anomalous
    weak = measured(validation=[dataclasses.replace(held_out, intervals=None)])
    assert [each.unit for each in weak.f1] == ["video", "video"]
    assert weak.notes[0].startswith("no F1 of frames: yard-1, of validation, has no annotated times")


@pytest.mark.parametrize(
    ("validation", "reason"),
    [
        ([], "needs validation videos apart from those measured"),
        ([make_bag("yard-1", 3)], "no validation video to choose its threshold on is anomalous"),
        ([make_bag("yard-1", 3, [("riot", 0, 1)], with_sound=False)], "yard-1, of validation, has no sound"),
    ],
)
def test_without_validation_there_is_no_f1(validation: Sequence[Bag], reason: str) -> None:
    report = measured(validation=validation)
    assert report.f1 == ()
    assert reason in report.notes[0]


def test_frames_that_a_benchmark_annotates_apart_are_the_truth_of_frames() -> None:
    bag = dataclasses.replace(BAGS[0], anomalous_spans=(Span(0.0, SNIPPET),))
    truth = video_truth(bag, CLASSES, GRID)
    assert truth.num_positive(16).tolist() == [16, 0, 0, 0, 0, 0]
    assert truth.intervals == (TruthInterval(1, 32, 64),)


def given(rows: Sequence[np.ndarray], frames_per_row: int = 16) -> Report:
    scores = GivenScores("rival.npy", tuple(rows), frames_per_row, ("as recognised",))
    return evaluate_given(scores, Dataset("yard", CLASSES, GRID, (), (), BAGS))


def test_somebodys_probabilities_measure_as_the_same_from_a_network() -> None:
    trained = make_network()
    report = measured(trained)
    foreign = given([score_features(trained, bag.load()).class_probabilities for bag in BAGS])
    own = [each for each in report.measures if each.head == "alignment"]
    assert [each.percent for each in foreign.measures] == [each.percent for each in own]
    assert {each.head for each in foreign.measures} == {"given"}
    assert {each.selection for each in foreign.measures} == {"unknown"}
    assert foreign.network == "rival.npy"
    assert foreign.notes[0] == "as recognised"


def test_frame_scores_measure_as_the_snippets_they_repeat() -> None:
    random = np.random.default_rng(0)
    rows = [random.dirichlet(np.ones(3), size=len(bag.load())).astype(np.float32) for bag in BAGS]
    of_snippets, of_frames = given(rows), given([np.repeat(each, 16, axis=0) for each in rows], frames_per_row=1)
    for one, other in zip(of_snippets.measures, of_frames.measures, strict=True):
        assert one.percent == pytest.approx(other.percent)
    assert of_snippets.false_alarms == of_frames.false_alarms
    assert of_snippets.recalls == of_frames.recalls
    assert of_snippets.latency_ap == of_frames.latency_ap
    assert of_snippets.auc_parts == of_frames.auc_parts
    assert of_snippets.num_frames == of_frames.num_frames


def test_anomaly_scores_alone_have_no_map_and_any_scale() -> None:
    report = given([np.linspace(-3, 5, len(bag.load())) for bag in BAGS])
    assert {each.protocol for each in report.measures} == {"frame"}
    assert report.percent("frame_ap", head="given") is not None
    assert report.percent("calibration_error", head="given") is None
    assert report.false_alarms == ()
    assert any("outside [0, 1]" in note for note in report.notes)


def test_truth_is_rounded_to_frames_and_cut_at_the_last_whole_snippet() -> None:
    bag = make_bag("brawl", 3, [("fighting", 0.01, 0.99), ("riot", 1.25, 60.0)])
    truth = video_truth(bag, CLASSES, GRID)
    assert truth.intervals == (TruthInterval(1, 0, 24), TruthInterval(2, 30, 1440))
    assert truth.num_positive(16).tolist() == [16, 8 + 2, 16]


def test_a_normal_video_is_normal_over_its_length() -> None:
    truth = video_truth(make_bag("street", 4), CLASSES, GRID)
    assert truth.intervals == (TruthInterval(0, 0, 64),)
    assert truth.num_positive(16).tolist() == [0] * 4


def test_overlapping_intervals_count_a_frame_once() -> None:
    bag = make_bag("brawl", 2, [("fighting", 0.0, SNIPPET), ("riot", 0.5 * SNIPPET, SNIPPET)])
    assert video_truth(bag, CLASSES, GRID).num_positive(16).tolist() == [16, 0]


def relabelled(bag: Bag, *targets: float) -> Bag:
    return dataclasses.replace(bag, targets=np.array(targets, dtype=np.float32))


@pytest.mark.parametrize(
    ("bag", "message"),
    [
        (relabelled(make_bag("yard-7", 3), 0, 1, 0), "yard-7 is labelled anomalous, but has no interval"),
        (relabelled(make_bag("yard-7", 3, [("riot", 0, 1)]), 1, 0, 0), "yard-7 is labelled normal, but"),
        (make_bag("yard-7", 3, [("arson", 0, 1)]), "yard-7 has an interval of `arson`; known are fighting, riot"),
        (make_bag("yard-7", 3, [("riot", 2, 1)]), "yard-7 has an interval from 2 to 1 s"),
        (make_bag("yard-7", 3, with_sound=False), "yard-7 has no sound, which the teacher needs"),
    ],
)
def test_a_video_that_cannot_be_measured_is_named(bag: Bag, message: str) -> None:
    with pytest.raises(DataError, match="^" + message) as caught:
        measured(bags=[*BAGS, bag])
    assert "\n" not in str(caught.value)


def without_times(bag: Bag) -> Bag:
    return dataclasses.replace(bag, intervals=None)


def test_one_label_per_video_is_measured_on_whole_videos(oracle: None) -> None:
    report = measured(bags=[without_times(BAGS[0]), *BAGS[1:]], validation=BAGS)
    assert (report.measures, report.false_alarms, report.positive_percent, report.normal_hours) == ((), (), None, None)
    assert (report.num_videos, report.num_anomalous_videos) == (3, 2)
    assert [(each.name, each.head, each.percent) for each in report.video_measures] == [
        (name, head, 100.0) for head in ("classifier", "alignment") for name in ("video_ap", "video_roc_auc")
    ]
    assert {(each.unit, each.percent) for each in report.f1} == {("video", 100.0)}
    assert "whole videos only: 1 of 3 have a label but no times, the first is brawl" in report.notes
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_scores_from_elsewhere_need_no_times_either() -> None:
    scores = GivenScores("rival.npy", tuple(np.full(len(bag.stored), 7.0) for bag in BAGS), 16, ())
    bags = tuple(map(without_times, BAGS))
    report = evaluate_given(scores, Dataset("yard", CLASSES, GRID, (), (), bags))
    assert [each.percent for each in report.video_measures] == pytest.approx([200 / 3, 50])  # one score for all


def test_videos_of_one_kind_have_no_video_measures() -> None:
    report = measured(bags=[without_times(BAGS[0])])
    assert {(each.percent, each.low_percent, each.high_percent) for each in report.video_measures} == {(None,) * 3}


def test_intervals_of_few_videos_are_called_too_narrow() -> None:
    assert any("with 2 anomalous and 1 normal videos the 95 % intervals" in note for note in measured().notes)
    assert not any("too narrow" in note for note in measured(bags=BAGS * 10).notes)


def test_an_event_in_the_part_that_is_not_scored_is_noted() -> None:
    tail = make_bag("alley", 3, [("riot", 3 * SNIPPET, 3.4 * SNIPPET)])
    report = measured(bags=[*BAGS, tail])
    assert any(
        "1 events start after the last scored frame, so no frame of theirs counts: alley" in note
        for note in report.notes
    )
    assert report.num_anomalous_videos == 3


def test_a_visual_student_needs_no_sound() -> None:
    silent = [dataclasses.replace(bag, stored=dataclasses.replace(bag.load(), audio=None)) for bag in BAGS]
    assert measured(make_network("visual student"), silent).num_videos == 3
    with pytest.raises(DataError, match="audio student needs"):
        measured(make_network("audio student"), silent)


def test_a_binary_detector_is_measured_on_its_score_alone() -> None:
    system = build_system("deep-mil", visual_dim=DIM, audio_dim=DIM, classes=CLASSES).frozen()
    report = measured(system, validation=BAGS)
    assert {measure.head for measure in report.measures} == {"classifier"}
    assert not [measure for measure in report.measures if measure.name in {"map", "class_ap"}]
    assert {f1.head for f1 in report.f1} == {"classifier"}
    assert "no mAP and no head alignment: the deep-mil does not name classes" in report.notes


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(DataError, match="the test split of yard holds no videos"):
        measured(bags=[])


def test_scores_that_are_not_finite_are_an_error() -> None:
    trained = make_network()
    with torch.no_grad():
        next(iter(trained.classifier.parameters())).fill_(torch.nan)
    with pytest.raises(CheckpointError, match="the teacher gives brawl scores that are not finite"):
        measured(trained)


def test_videos_are_announced_in_order() -> None:
    seen: list[tuple[str, int]] = []
    measured(on_video=lambda name, index: seen.append((name, index)))
    assert seen == [("brawl", 0), ("march", 1), ("street", 2)]


def make_checkpoint(**changes: object) -> Checkpoint:
    header = CheckpointHeader(
        **{
            "name": "guard",
            "classes": CLASSES,
            "encoders": "lite",
            "features": Provenance(grid=GRID, visual={"name": "lite"}, audio=None),
            "visual_dim": DIM,
            "audio_dim": DIM,
            "network": NetworkConfig(embed_dim=DIM),
            "thresholds": {"teacher": Thresholds(0.5, None)},
            "selection": {"teacher": "validation"},
            "card": "",
            **changes,
        }
    )
    return Checkpoint(header, {"teacher": make_network()})


DATASET = Dataset("yard", CLASSES, GRID, train=(), validation=(), test=BAGS)


def test_data_of_fewer_classes_fit() -> None:
    check_fit(make_checkpoint(), dataclasses.replace(DATASET, classes=("normal", "riot")))


@pytest.mark.parametrize(
    ("changes", "dataset", "message"),
    [
        ({}, dataclasses.replace(DATASET, classes=("normal", "arson")), "yard has the class `arson`, guard knows"),
        ({}, dataclasses.replace(DATASET, grid=SnippetGrid(4)), "4 frames at 24 fps, guard needs 16 frames at 24 fps"),
        ({"visual_dim": 512}, DATASET, r"features of brawl do not fit guard \(visual features are 8 wide, needed 512"),
        ({"audio_dim": 64}, DATASET, "audio features are 8 wide, needed 64"),
    ],
)
def test_a_checkpoint_made_for_other_data_is_refused(
    changes: dict[str, object], dataset: Dataset, message: str
) -> None:
    with pytest.raises(AvadclipError, match=message):
        check_fit(make_checkpoint(**changes), dataset)


def test_synthetic_data_of_another_seed_are_refused() -> None:
    made = [Provenance(grid=GRID, visual={"name": "synthetic", "seed": seed}, audio=None) for seed in (0, 1)]
    bag = dataclasses.replace(BAGS[0], stored=dataclasses.replace(BAGS[0].load(), provenance=made[1]))
    dataset = dataclasses.replace(DATASET, test=(bag,), is_synthetic=True)
    with pytest.raises(DataError, match=r"seed is 1, needed 0\); name the recipe's data and seed$"):
        check_fit(make_checkpoint(features=made[0]), dataset)
