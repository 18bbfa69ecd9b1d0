"""Recordings for training, validation and test, disjoint by session."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha256

from avadclip.data.composed.recordings import Recording
from avadclip.data.synthetic import Split
from avadclip.errors import DataError

SHARES: dict[Split, float] = {"train": 0.6, "test": 0.25, "validation": 0.15}
"""Of the recordings of a kind, role and label. In this order splits get their first session of it."""

Parts = dict[Split, list[Recording]]


def split_recordings(recordings: Sequence[Recording], *, seed: int) -> Parts:
    """Give every session to one split, so that each label has about SHARES of its recordings in each.

    Sessions with a share-alike recording go to the test. Events of a label that is not trained are left out.

    Raises:
        DataError: a split lacks an event, a picture without one, or a background sound.
    """
    sessions: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        sessions[recording.session].append(recording)
    taken: dict[tuple[str, ...], Counter[Split]] = defaultdict(Counter)
    totals = Counter(_stratum(members) for members in sessions.values() for _ in members)
    parts: Parts = {split: [] for split in SHARES}
    for members in sorted(sessions.values(), key=lambda members: _order(members, seed)):
        stratum = _stratum(members)
        split: Split = "test"
        if not any(member.share_alike for member in members):
            split = _neediest(taken[stratum], totals[stratum])
        taken[stratum][split] += len(members)
        parts[split] += members
    trained = {recording.label for recording in parts["train"] if recording.role == "event"}
    parts = {
        split: [member for member in members if member.role != "event" or member.label in trained]
        for split, members in parts.items()
    }
    for split, members in parts.items():
        _check(split, members)
    return parts


def _stratum(members: Sequence[Recording]) -> tuple[str, ...]:
    """Most common kind, role and label of a session."""
    return Counter((member.kind, member.role, member.label) for member in members).most_common(1)[0][0]


def _order(members: Sequence[Recording], seed: int) -> tuple[bool, int, str]:
    """Share-alike sessions first, since they have no choice; then large ones, and among equals by chance."""
    is_free = not any(member.share_alike for member in members)
    return is_free, -len(members), sha256(f"{seed} {members[0].session}".encode()).hexdigest()


def _neediest(taken: Counter[Split], total: int) -> Split:
    """The first split without any, else the one furthest below its share."""
    empty: list[Split] = [split for split in SHARES if not taken[split]]
    return empty[0] if empty else max(SHARES, key=lambda split: SHARES[split] - taken[split] / total)


def _check(split: Split, members: Sequence[Recording]) -> None:
    needed = {
        "event": any(member.role == "event" for member in members),
        "picture without an event": any(member.kind == "picture" and member.role != "event" for member in members),
        "background sound": any(member.kind == "sound" and member.role == "background" for member in members),
    }
    for what, is_there in needed.items():
        if not is_there:
            raise DataError(
                f"no {what} is left for the {split} split; add recordings of other sessions, at least three of each "
                "role and label, not share-alike"
            )
