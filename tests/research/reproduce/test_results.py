from avadclip.evaluation.metrics.records import Measure, Report
from avadclip.research.reproduce.plans import TABLE_6, TABLE_CROSS, TABLES, TableJob, TablePlan
from avadclip.research.reproduce.results import ResultTable, fill_table
from avadclip.research.reproduce.runner import RunOutcome


def report(
    ap: float, *, dataset: str = "xd-violence", is_synthetic: bool = False, selection: str = "validation"
) -> Report:
    origin = {"split": "test", "selection": selection}
    return Report(
        dataset=dataset,
        is_synthetic=is_synthetic,
        network="teacher",
        classes=("normal", "riot"),
        num_videos=2,
        num_frames=32,
        snippet_frames=16,
        positive_percent=25.0,
        normal_hours=0.1,
        num_truths={"riot": 1},
        measures=(
            Measure(
                name="frame_ap",
                head="classifier",
                protocol="frame",
                percent=ap,
                video_mean_percent=ap - 5,
                kept_percent=80.0,
                **origin,
            ),
        ),
        notes=("crop 0", "no F1: whatever", "recall at 0.1 false alarms per hour: whatever"),
        **origin,
    )


def fill(plan: TablePlan, *, first: str = "xd-violence", second: str = "cctv-fights", **changes: object) -> ResultTable:
    """Row i has the AP 10 i with seed 0 and 10 i + 2 with seed 1."""
    jobs = list(dict.fromkeys(row.job for row in plan.rows))
    outcomes = {
        (job, seed): RunOutcome(report(10 * index + 2 * seed, dataset=first, **changes))
        for index, job in enumerate(jobs)
        for seed in (0, 1)
    }
    return fill_table(plan, outcomes, num_seeds=2, names={"first": first, "second": second})


def test_table_has_our_numbers_beside_the_printed_ones() -> None:
    table = fill(TABLE_6)
    assert [row.cells[0].printed for row in table.rows] == [50.89, 52.51, None, 84.60, 85.53, None, 86.04, None]
    assert [row.cells[0].mean for row in table.rows] == [1, 11, 21, 31, 41, 51, 61, 71]
    assert table.rows[0].cells[3].values == ()  # these reports have no mAP
    assert (table.measured_on, table.printed_on) == ("XD-Violence", "XD-Violence")


def test_every_ap_stands_beside_its_control_of_video_means() -> None:
    assert [column.title for column in TABLE_6.columns[:3]] == ["AP", "AP of means", "margin kept"]
    assert [row.cells[1].mean for row in fill(TABLE_6).rows] == [-4, 6, 16, 26, 36, 46, 56, 66]
    assert {row.cells[2].values for row in fill(TABLE_6).rows} == {(80.0, 80.0)}
    for plan in TABLES.values():
        parts = [column.part for column in plan.columns if column.measure == "frame_ap"]
        assert parts in ([], ["percent", "video_mean_percent", "kept_percent"])


def test_notes_name_head_protocol_split_and_selection() -> None:
    notes = "\n".join(fill(TABLE_6).notes)
    assert "over 2 seeds; split: test; epoch selected on: validation" in notes
    assert "AP, AP of means, margin kept: head classifier, protocol frame" in notes
    assert "AP of means: every score replaced by its video's mean" in notes
    assert "AVG: head alignment, protocol legacy" in notes
    assert "AVG strict: head alignment, protocol strict" in notes
    assert "printed: of XD-Violence, best epoch on the test split" in notes
    assert "as its AP: 25.00" in notes
    assert notes.count("crop 0") == 1
    assert "not comparable" not in notes
    assert "F1" not in notes
    assert "recall" not in notes


def test_printed_numbers_of_another_dataset_are_not_comparable() -> None:
    table = fill(TABLE_6, first="ucf-crime")
    assert any("printed: of XD-Violence" in note and "not comparable" in note for note in table.notes)


def test_synthetic_numbers_are_marked() -> None:
    table = fill(TABLE_6, first="synthetic:quick", is_synthetic=True)
    assert (table.measured_on, table.is_synthetic) == ("synthetic:quick (synthetic data)", True)


def test_composed_numbers_are_marked_and_only_those() -> None:
    table = fill(TABLE_6, first="composed:small")
    assert (table.measured_on, table.is_composed, table.is_synthetic) == ("composed:small (composed data)", True, False)
    table = fill(TABLE_CROSS, first="xd-violence", second="composed:small")
    assert table.measured_on == "XD-Violence (first) and composed:small (composed data) (second)"
    assert table.is_composed
    assert not fill(TABLE_6).is_composed


def test_cross_dataset_table_names_both_datasets() -> None:
    table = fill(TABLE_CROSS)
    assert table.measured_on == table.printed_on == "XD-Violence (first) and CCTV-Fights_sub (second)"
    swapped = fill(TABLE_CROSS, first="cctv-fights", second="xd-violence")
    assert any("not comparable" in note for note in swapped.notes)


def test_row_without_a_result_has_its_reason_in_the_notes() -> None:
    jobs: list[TableJob] = [row.job for row in TABLE_6.rows]
    outcomes = {(job, seed): RunOutcome(report(50.0)) for job in jobs for seed in (0, 1)}
    outcomes[jobs[0], 1] = RunOutcome(None, "no sound anywhere")
    table = fill_table(TABLE_6, outcomes, num_seeds=2, names={"first": "xd-violence"})
    assert table.rows[0].cells[0].values == (50.0,)
    assert table.rows[0].remark == "1 of 2 seeds failed, see below"
    assert "sound: no sound anywhere" in table.notes
