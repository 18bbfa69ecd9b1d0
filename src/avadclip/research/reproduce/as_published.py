"""The choice of an epoch that published tables rest on: by the test split itself."""

from avadclip.data.bags import Dataset
from avadclip.errors import DataError
from avadclip.evaluation.evaluate import anomaly_curves, score_bag
from avadclip.evaluation.metrics.frame import frame_measures
from avadclip.evaluation.metrics.truth import join_frames
from avadclip.evaluation.truths import video_truth
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
    bags = dataset.bags_of("test")
    truths = [video_truth(bag, dataset.classes, dataset.grid) for bag in bags]

    def score(system: System) -> float:
        curves = anomaly_curves([score_bag(system, bag) for bag in bags])
        frames = join_frames(curves.get("alignment", curves["classifier"]), truths)
        found = frame_measures(frames.scores, frames.num_positive, frames.frames_per_row).average_precision
        if found is None:
            raise DataError(f"the test frames of {dataset.name} are all of one kind; no epoch can be chosen by them")
        return found

    return SelectionOnTest(score, puts_back=kind in OWN)
