"""mAP `legacy`: the fine-grained measure of the published tables, number for number.

What the papers of this family call mAP@IoU comes from one evaluation script. Its rules are unusual (docs/evaluation.md
shows what follows from them), so this measure serves to compare with those tables; `strict_map` is the one to trust.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.intervals import (
    IOU_THRESHOLDS,
    MapResult,
    Proposals,
    TruthInterval,
    average_precisions,
    check_videos,
    find_runs,
    reduce_runs,
)

CUT_SHARE = 0.6  # threshold = max - 0.6 (max - min) of a class's curve in a video
MIN_PROPOSAL_FRAMES = 2
FRAMES_PER_PICK = 16  # the mean of the top floor(n_frames / 16) frames; not the frames in a snippet
MEAN_WEIGHT = 0.7  # of that mean in a proposal's score


def legacy_map(
    probabilities: Sequence[NDArray[np.floating]],
    truth: Sequence[Sequence[TruthInterval]],
    *,
    frames_per_snippet: int,
    normal_has_truth: bool = True,
) -> MapResult:
    """Mean average precision over all classes and all videos, as the published script computes it.

    A video's curve is its snippets' probabilities, each repeated for the snippet's frames. It is never built: what the
    script does with frames is done with runs of snippets, in the same order and the same precision. One thing is fixed
    here that the script leaves to the processor's sorting routine: equal scores keep the order of their videos.

    Args:
        probabilities: per video [T, C], softmax over the classes; arithmetic stays in their dtype, as in the script.
        truth: per video, in frames, not clipped, `normal` included: a normal video has one interval over its length.
        frames_per_snippet: how many frames a row stands for; 16, CCTV-Fights 4.
        normal_has_truth: False leaves the intervals of `normal` out. On UCF-Crime the script looks for them under
            `Normal`, but the label file calls them `A`, so that class 0 counts as 0 in the mean over all 14.

    Returns:
        All zeros where any class has no proposal in any video; see `num_proposals`. A class without truth counts
        as 0 in the mean.
    """
    num_classes = check_videos(probabilities, truth)
    proposals = _propose(probabilities, num_classes, frames_per_snippet)
    of_class: list[list[tuple[int, TruthInterval]]] = [[] for _ in range(num_classes)]
    for video, intervals in enumerate(truth):
        for class_index, start, end in intervals:
            if class_index or normal_has_truth:
                of_class[class_index].append((video, TruthInterval(class_index, int(start), int(end))))
    num_proposals = np.array([len(each) for each in proposals])
    per_class = np.zeros((num_classes, len(IOU_THRESHOLDS)))
    if num_proposals.all():
        for class_index, each in enumerate(proposals):
            # NumPy's default sort, the script's, leaves the order of equal scores to the processor.
            ranked = each.pick(np.argsort(-each.score, kind="stable"))
            per_class[class_index] = average_precisions(ranked, of_class[class_index])
    mean = np.array([np.mean(column) for column in np.ascontiguousarray(per_class.T)])
    return MapResult(mean, per_class, np.array([len(each) for each in of_class]), num_proposals)


def _propose(
    probabilities: Sequence[NDArray[np.floating]], num_classes: int, frames_per_snippet: int
) -> list[Proposals]:
    """Proposals per class, listed by video, then by descending score.

    The script's non-maximum suppression at IoU .6 is left out: runs above one threshold never overlap.
    """
    found = [_propose_in_video(rows, frames_per_snippet) for rows in probabilities]
    video = np.repeat(np.arange(len(found)), [len(each[0]) for each in found])
    class_index, start, end = (np.concatenate([each[part] for each in found]) for part in range(3))
    score = np.concatenate([each[3] for each in found]).astype(np.float64)
    order = np.lexsort((-score, video))
    every = Proposals(video, start.astype(np.float64), end.astype(np.float64), score)
    return [every.pick(order[class_index[order] == each]) for each in range(num_classes)]


def _propose_in_video(
    rows: NDArray[np.floating], frames_per_snippet: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.floating]]:
    """Class, start and end in frames, and score of one video's proposals."""
    top_means = _top_means(rows, frames_per_snippet)
    curves = rows * (top_means > 0)
    highest, lowest = curves.max(axis=0), curves.min(axis=0)
    is_above = curves > highest - (highest - lowest) * CUT_SHARE
    class_index, start, stop = find_runs(is_above.T)
    long_enough = (stop - start) * frames_per_snippet >= MIN_PROPOSAL_FRAMES
    class_index, start, stop = class_index[long_enough], start[long_enough], stop[long_enough]
    peaks = reduce_runs(np.maximum, curves.T, class_index, start, stop)
    return (
        class_index,
        start * frames_per_snippet,
        stop * frames_per_snippet,
        peaks + MEAN_WEIGHT * top_means[class_index],
    )


def _top_means(rows: NDArray[np.floating], frames_per_snippet: int) -> NDArray[np.floating]:
    """Mean of the top floor(n_frames / 16) frames of every class, [C]; 0 where that is no frame."""
    num_picked = len(rows) * frames_per_snippet // FRAMES_PER_PICK
    if num_picked == 0:
        return np.zeros(rows.shape[1], dtype=rows.dtype)
    num_snippets = -(-num_picked // frames_per_snippet)
    best = np.sort(rows, axis=0)[::-1][:num_snippets]
    # Frames, not weighted snippets: the sum is rounded after every frame, and rounding decides ties.
    frames = np.ascontiguousarray(np.repeat(best, frames_per_snippet, axis=0)[:num_picked])
    means: NDArray[np.floating] = np.mean(frames, axis=0)
    return means
