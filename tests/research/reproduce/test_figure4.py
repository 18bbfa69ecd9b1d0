from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from avadclip.data.synthetic import load_synthetic
from avadclip.report.figures.truth import draw_against_truth
from avadclip.research.reproduce.figure4 import one_of_each_class, write_figure_4
from avadclip.research.reproduce.plans import FIGURE_4, TEACHER, VADCLIP, TableJob
from avadclip.research.reproduce.runner import run_jobs
from avadclip.research.reproduce.sources import make_sources


def test_first_video_of_every_class_is_chosen() -> None:
    dataset = load_synthetic("tiny")
    chosen = one_of_each_class(dataset.test, dataset.classes)
    assert list(chosen) == list(dataset.classes)
    for index, (label, bag) in enumerate(chosen.items()):
        assert bag.targets[index] == 1, label
        assert not any(other.targets[index] for other in dataset.test[: dataset.test.index(bag)])


def test_pictures_use_the_runs_of_the_tables(tmp_path: Path, recipes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = make_sources("synthetic:tiny", recipes=recipes)
    run_jobs([TableJob(run) for run in FIGURE_4], sources, tmp_path / "out", num_seeds=1)
    monkeypatch.delattr("avadclip.research.reproduce.runner.follow_recipe")  # nothing is trained again
    drawn = {}

    def keep(track, intervals, *, video, name, baseline):
        drawn[video] = (name, baseline.name, track.scores, baseline.scores)
        return draw_against_truth(track, intervals, video=video, name=name, baseline=baseline)

    monkeypatch.setattr("avadclip.research.reproduce.figure4.draw_against_truth", keep)
    paths = write_figure_4(sources, tmp_path / "out")
    assert [path.name for path in paths] == ["normal.png", "fighting.png", "shooting.png", "riot.png"]
    assert FIGURE_4 == (TEACHER, VADCLIP)
    for name, baseline, scores, baseline_scores in drawn.values():
        assert (name, baseline) == ("AVadCLIP (synthetic data)", "VadCLIP")
        assert len(scores) == len(baseline_scores)
        assert not np.array_equal(scores, baseline_scores)
    assert all(imread(path).std() > 0 for path in paths)
