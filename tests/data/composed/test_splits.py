from collections import Counter
from itertools import combinations

import pytest

from avadclip.data.composed.dataset import ComposedPlan
from avadclip.data.composed.recordings import Recording
from avadclip.data.composed.splits import SHARES, split_recordings
from avadclip.errors import DataError


def test_splits_share_no_recording_and_no_session(planned: ComposedPlan) -> None:
    for one, other in combinations(SHARES, 2):
        for key in ("sha256", "session"):
            of_one, of_other = ({getattr(each, key) for each in planned.parts[split]} for split in (one, other))
            assert of_one
            assert not of_one & of_other


def test_sequences_use_recordings_of_their_split_alone(planned: ComposedPlan) -> None:
    for split, plans in planned.sequences.items():
        own = {recording.sha256 for recording in planned.parts[split]}
        used = set().union(*(plan.used() for plan in plans))
        assert used == own  # and all of them


def test_share_alike_recordings_are_used_in_the_test_alone(planned: ComposedPlan) -> None:
    shared = {name for name, recording in planned.recordings.items() if recording.share_alike}
    used = {split: set().union(*(plan.used() for plan in plans)) for split, plans in planned.sequences.items()}
    assert len(shared) > 0
    assert shared <= used["test"]
    assert not shared & (used["train"] | used["validation"])


def test_every_label_is_in_every_split(planned: ComposedPlan) -> None:
    labels = {split: {recording.label for recording in members} for split, members in planned.parts.items()}
    assert labels["train"] == labels["validation"] == labels["test"] - {"speech"}


def test_a_label_that_is_not_trained_is_no_event_of_the_test(planned: ComposedPlan) -> None:
    alarm = next(each for each in planned.recordings.values() if each.share_alike and each.role == "event")
    foreign = alarm.model_copy(update={"label": "alarm", "session": "alarm", "sha256": "0" * 64})
    parts = split_recordings([*planned.recordings.values(), foreign], seed=0)
    assert all(recording.label != "alarm" for members in parts.values() for recording in members)


def many(num_sessions: int) -> list[Recording]:
    """As many sessions of every kind that is needed, three recordings each."""
    kinds = [("picture", "event"), ("sound", "event"), ("picture", "background"), ("sound", "background")]
    return [
        Recording.model_construct(
            kind=kind, role=role, label=role, session=f"{kind} {role} {session}", share_alike=False, sha256=f"{number}"
        )
        for kind, role in kinds
        for session in range(num_sessions)
        for number in range(3)
    ]


def test_many_sessions_are_divided_by_the_shares() -> None:
    counts = Counter({split: len(members) for split, members in split_recordings(many(20), seed=0).items()})
    for split, share in SHARES.items():
        assert counts[split] / counts.total() == pytest.approx(share, abs=0.03)


def test_a_session_of_several_recordings_is_never_divided() -> None:
    parts = split_recordings(many(20), seed=0)
    assert max(Counter(each.session for each in parts["test"]).values()) == 3
    for one, other in combinations(parts, 2):
        assert not {each.session for each in parts[one]} & {each.session for each in parts[other]}


def test_another_seed_divides_otherwise() -> None:
    trained = [{each.session for each in split_recordings(many(20), seed=seed)["train"]} for seed in (0, 1)]
    assert trained[0] != trained[1]


def test_two_sessions_are_too_few_for_three_splits() -> None:
    with pytest.raises(DataError, match="left for the validation split; add recordings of other sessions"):
        split_recordings(many(2), seed=0)
