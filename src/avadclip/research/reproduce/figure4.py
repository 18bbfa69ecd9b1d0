"""Reproduction of Figure 4: the teacher's score and class map on some test videos, with VadCLIP's score."""

from collections.abc import Sequence
from pathlib import Path

from avadclip.data.bags import Bag
from avadclip.errors import DataError
from avadclip.events import ScoreTrack
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, load_checkpoint
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.report.figures.panels import write_figure
from avadclip.report.figures.truth import Baseline, draw_against_truth
from avadclip.report.words import origin_words
from avadclip.research.reproduce.plans import FIGURE_4
from avadclip.research.reproduce.results import SELECTED_ON_TEST
from avadclip.research.reproduce.runner import SeedRuns, TrainedRun
from avadclip.research.reproduce.sources import Sources
from avadclip.training.run_folder import BEST

SEED = 0
FOLDER = "figure-4"


def write_figure_4(sources: Sources, out: Path, *, best_on_test: bool = False) -> list[Path]:
    """Draw one picture per class, of the first run of each network; raises AvadclipError.

    Args:
        sources: only the first is used.
        out: folder of the runs, and of the new folder of figures.
        best_on_test: see run_jobs.
    """
    runs = SeedRuns(sources, out, SEED, best_on_test)
    dataset = runs.load("first").dataset
    teacher, baseline = (_Scorer(runs.train(run)) for run in FIGURE_4)
    origin = origin_words(dataset.name, is_synthetic=dataset.is_synthetic) + (SELECTED_ON_TEST if best_on_test else "")
    paths = []
    for label, bag in one_of_each_class(dataset.bags_of("test"), dataset.classes).items():
        features = bag.load()
        scores = teacher.score(features)
        assert scores.class_probabilities is not None, "the teacher names classes"
        track = ScoreTrack(
            scores=scores.anomaly_scores,
            class_probabilities=scores.class_probabilities,
            classes=dataset.classes,
            snippet_seconds=dataset.grid.snippet_seconds,
            end_seconds=features.duration_seconds,
        )
        figure = draw_against_truth(
            track,
            bag.intervals or (),
            video=bag.name,
            name=f"AVadCLIP{origin}",
            baseline=Baseline("VadCLIP", baseline.score(features).anomaly_scores),
        )
        paths.append(out / FOLDER / f"{label.replace(' ', '-')}.png")
        write_figure(figure, paths[-1])
    return paths


def one_of_each_class(bags: Sequence[Bag], classes: Sequence[str]) -> dict[str, Bag]:
    """The first video with sound of every class, in list order, to avoid cherry-picking."""
    chosen: dict[str, Bag] = {}
    for index, label in enumerate(classes):
        found = next((bag for bag in bags if bag.targets[index] and bag.stored.audio_width), None)
        if found is not None:
            chosen[label] = found
    if not chosen:
        raise DataError("Figure 4: none of the test videos has sound, which the teacher needs; add some that have")
    return chosen


class _Scorer:
    def __init__(self, trained: TrainedRun) -> None:
        self._checkpoint: Checkpoint = load_checkpoint(trained.folder / BEST)
        self._kind = trained.kind

    def score(self, features: SnippetFeatures) -> SnippetScores:
        return score_features(self._checkpoint.networks[self._kind], features)
