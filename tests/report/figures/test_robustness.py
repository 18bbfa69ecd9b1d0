import numpy as np
import pytest

from avadclip.data.bags import Interval
from avadclip.evaluation.metrics.records import Measure, Report
from avadclip.evaluation.robustness import CONDITIONS, Condition, RobustnessReport
from avadclip.report.figures.robustness import Bar, draw_bars, draw_chart, table_rows, to_markdown
from avadclip.report.figures.variance import draw_variances

AP = {"teacher": 60.0, "visual student": 50.0}


def make_measured(network: str, condition: str) -> Report:
    percent = AP[network] - 10 * CONDITIONS.index(condition) / 2
    origin = {"head": "classifier", "protocol": "frame", "split": "test", "selection": "last"}
    return Report(
        dataset="yard",
        is_synthetic=True,
        network=network,
        split="test",
        selection="last",
        classes=("normal", "fighting"),
        num_videos=3,
        num_frames=480,
        snippet_frames=16,
        positive_percent=25.0,
        normal_hours=0.1,
        num_truths={"fighting": 2},
        measures=tuple(Measure(name=name, percent=percent, **origin) for name in ("frame_ap", "roc_auc")),
    )


@pytest.fixture(scope="module")
def report() -> RobustnessReport:
    """The teacher lost under `muted`."""
    conditions = []
    for name in CONDITIONS:
        networks = ["visual student"] if name == "muted" else ["teacher", "visual student"]
        conditions.append(
            Condition(
                name=name,
                reports=tuple(make_measured(network, name) for network in networks),
                chosen={networks[0]: 3},
                median_variance={"visual student": 0.5},
            )
        )
    return RobustnessReport(
        checkpoint="guard", damage_of="features", conditions=tuple(conditions), notes=("muted: no teacher: why",)
    )


def test_rows_hold_every_condition_with_its_gain_and_a_dash_for_what_is_missing(report: RobustnessReport) -> None:
    rows = table_rows(report, "frame_ap")
    assert [row[0] for row in rows] == list(CONDITIONS)
    assert rows[0] == ["clean", "60.00", "50.00"]
    assert rows[1] == ["black", "55.00 (-5.00)", "45.00 (-5.00)"]
    assert rows[4] == ["muted", "-", "30.00 (-20.00)"]


def test_the_page_states_the_damage_and_that_the_data_is_synthetic(report: RobustnessReport) -> None:
    page = to_markdown(report)
    first = page.splitlines()[0]
    assert "synthetic data" in first
    assert "analogues on features, no video was damaged" in first
    assert "| black | 55.00 (-5.00) | 45.00 (-5.00) |" in page
    assert "| muted | picture only 3 | 0.5000 |" in page
    assert page.endswith("- muted: no teacher: why\n")
    widths = {line.count("|") for line in page.splitlines() if line.startswith("| black | 5")}
    assert widths == {4}
    on_videos = to_markdown(report.model_copy(update={"damage_of": "videos"}))
    assert "videos damaged before encoding" in on_videos


def test_the_chart_has_a_bar_for_every_number_and_none_for_what_is_missing(report: RobustnessReport) -> None:
    axes = draw_chart(report).axes[0]
    heights = {bars.get_label(): [round(bar.get_height(), 2) for bar in bars] for bars in axes.containers}
    assert heights == {
        "picture and sound": [60.0, 55.0, 50.0, 45.0, 35.0, 30.0, 25.0],
        "picture only": [50.0, 45.0, 40.0, 35.0, 30.0, 25.0, 20.0, 15.0],
    }
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(CONDITIONS)
    assert [line.get_ydata()[0] for line in axes.lines if line.get_label() == "random 25.0"] == [25.0]
    muted = axes.containers[1][CONDITIONS.index("muted")]
    assert muted.get_x() + muted.get_width() / 2 == pytest.approx(axes.get_xticks()[4], abs=0.5)


def test_deviations_are_drawn_where_there_are_any() -> None:
    bars = {"teacher": {"clean": Bar(60.0, 2.0), "black": Bar(30.0, 1.0)}}
    axes = draw_bars(bars, title="t", subtitle="s", chance=20.0).axes[0]
    (errors,) = [each for each in axes.containers if hasattr(each, "has_yerr")]
    assert errors.has_yerr
    assert axes.get_ylim()[1] > 62


def test_each_student_shows_the_damage_that_it_notices() -> None:
    curves = {
        name: {
            "visual student": np.full(3, 1.0 + number, dtype=np.float32),
            "audio student": np.full(3, 2.0 + number, dtype=np.float32),
        }
        for number, name in enumerate(CONDITIONS)
    }
    boundaries = np.array([0.0, 0.7, 1.4, 2.0])
    figure = draw_variances(curves, boundaries, (Interval("fighting", 0.5, 1.0),), title="guard: yard")
    names = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]
    assert names == [["clean", "black", "dark", "half covered"], ["clean", "muted", "foreign", "late", "noisy"]]
    for axes, first in zip(figure.axes, (1.0, 2.0), strict=True):
        steps = [patch for patch in axes.patches if hasattr(patch, "get_data")]
        assert steps[0].get_data().values == pytest.approx([first] * 3)
        assert axes.get_xlim() == (0.0, 2.0)
        assert [patch.get_x() for patch in axes.patches if hasattr(patch, "get_x")] == [0.5]


def test_a_student_without_sound_has_no_axis() -> None:
    curves = {name: {"visual student": np.ones(2, dtype=np.float32)} for name in CONDITIONS}
    assert len(draw_variances(curves, np.array([0.0, 0.7, 1.4]), (), title="t").axes) == 1
