"""The choice of an epoch that published tables rest on: by the test split itself."""

import numpy as np

from avadclip.data.bags import Dataset
from avadclip.errors import DataError
from avadclip.evaluation.evaluate import anomaly_curves, score_bag, video_truth
from avadclip.evaluation.metrics.frame import frame_measures
from avadclip.inference.networks import OWN
from avadclip.model.base import System
from avadclip.training.loop import SelectionOnTest


def select_on_test(dataset: Dataset, kind: str) -> SelectionOnTest:
    """Choose by frame AP on the test split, of the head that the authors take: alignment where there is one.

    The authors of AVadCLIP and VadCLIP put the best weights back after each epoch; the compared systems go on.

    Args:
        dataset: with annotated test videos.
        kind: of the network that is trained.

    Raises:
        DataError: the test split is missing, has no times, or its frames are all of one kind.
    """
    bags, grid = dataset.bags_of("test"), dataset.grid
    truths = [video_truth(bag, dataset.classes, grid) for bag in bags]
    num_positive = np.concatenate([truth.num_positive(grid.snippet_frames) for truth in truths])

    def score(system: System) -> float:
        curves = anomaly_curves([score_bag(system, bag) for bag in bags])
        scores = np.concatenate(curves.get("alignment", curves["classifier"]))
        found = frame_measures(scores, num_positive, grid.snippet_frames).average_precision
        if found is None:
            raise DataError(f"the test frames of {dataset.name} are all of one kind; no epoch can be chosen by them")
        return found

    return SelectionOnTest(score, puts_back=kind in OWN)
