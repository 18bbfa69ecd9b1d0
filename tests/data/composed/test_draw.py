from pathlib import Path

import numpy as np
import pytest

from avadclip.data.composed.dataset import ComposedPlan, plan_composed
from avadclip.data.composed.draw import BACKGROUND_DBFS, EVENT_ABOVE_DB
from avadclip.data.composed.features import composition_of, intervals_of
from avadclip.data.composed.plan import SequencePlan
from avadclip.errors import ConfigError


def every_plan(planned: ComposedPlan) -> list[SequencePlan]:
    return [plan for plans in planned.sequences.values() for plan in plans]


def test_the_same_seed_gives_the_same_plans(planned: ComposedPlan, recordings_folder: Path) -> None:
    again, other = (plan_composed("small", recordings_folder, seed=seed).sequences for seed in (0, 1))
    assert again == planned.sequences
    assert {plan.sha256 for plan in other["test"]}.isdisjoint(plan.sha256 for plan in again["test"])


def test_every_snippet_shows_one_piece_within_its_recording(planned: ComposedPlan) -> None:
    for plan in every_plan(planned):
        assert [piece.start for piece in plan.pieces] == [0, *(piece.end for piece in plan.pieces[:-1])]
        assert plan.pieces[-1].end == plan.num_snippets
        for piece in plan.pieces:
            assert 0 <= piece.first <= planned.recordings[piece.recording].num_snippets - (piece.end - piece.start)


def test_event_pictures_and_sounds_are_where_the_events_are(planned: ComposedPlan) -> None:
    for plan in every_plan(planned):
        seen, heard = ["" for _ in range(plan.num_snippets)], ["" for _ in range(plan.num_snippets)]
        for words, parts in ((seen, plan.pieces), (heard, plan.foregrounds)):
            for part in parts:
                recording = planned.recordings[part.recording]
                if recording.role == "event":
                    words[part.start : part.end] = [recording.label] * (part.end - part.start)
        kinds = composition_of(plan, planned.recordings).event_kinds
        assert [bool(word) for word in seen] == [kind in ("visible", "both") for kind in kinds]
        assert [bool(word) for word in heard] == [kind in ("audible", "both") for kind in kinds]
        for event in plan.events:
            assert set(event.labels) == {*seen[event.start : event.end], *heard[event.start : event.end]} - {""}


def test_intervals_are_exact(planned: ComposedPlan) -> None:
    for plan in every_plan(planned):
        starts = np.arange(plan.num_snippets) * 2 / 3
        inside = np.zeros(plan.num_snippets, dtype=bool)
        for interval in intervals_of(plan):
            inside |= (starts >= interval.start - 1e-9) & (starts < interval.end - 1e-9)
        assert (inside == (composition_of(plan, planned.recordings).event_kinds != "")).all()


def test_all_that_the_page_promises_is_drawn(planned: ComposedPlan) -> None:
    for split, plans in planned.sequences.items():
        made = [composition_of(plan, planned.recordings) for plan in plans]
        whole = {name: np.concatenate([getattr(each, name) for each in made]) for name in vars(made[0])}
        assert set(whole["event_kinds"]) == {"", "visible", "audible", "both"}
        assert set(whole["hard_negatives"]) == {"", "thunder"} | ({"speech"} if split == "test" else set())
        assert set(whole["picture_damage"]) == {"", "dark", "half covered", "blurred", "frozen"}
        assert set(whole["sound_damage"]) == {"", "noisy", "foreign", "missing"}
        assert not ((whole["hard_negatives"] != "") & (whole["event_kinds"] != "")).any()
        assert 0.1 < (whole["event_kinds"] != "").mean() < 0.3
        for damage in ("picture_damage", "sound_damage"):
            assert 0.08 < (whole[damage] != "").mean() < 0.25
        assert any(not plan.events and not plan.foregrounds for plan in plans)  # plain background


def test_levels_are_drawn_from_the_ranges_of_their_split(planned: ComposedPlan) -> None:
    for split, plans in planned.sequences.items():
        above = [each.above_db for plan in plans for each in plan.foregrounds]
        low, high = EVENT_ABOVE_DB[split]
        assert low <= min(above) < low + 2
        assert high - 2 < max(above) <= high
        assert all(BACKGROUND_DBFS[0] <= plan.background_dbfs <= BACKGROUND_DBFS[1] for plan in plans)


def test_a_frozen_picture_is_the_one_that_the_damage_begins_with(planned: ComposedPlan) -> None:
    frozen = [each for each in every_plan(planned) if each.picture_damage and each.picture_damage.fault == "frozen"]
    for plan in frozen:
        _, start, end = plan.picture_damage
        clear = plan._replace(picture_damage=None).shown()
        assert set(plan.shown()[start:end]) == {clear[start]._replace(fault="frozen")}
        assert plan.shown()[:start] + plan.shown()[end:] == clear[:start] + clear[end:]
    assert frozen


def test_an_unknown_size_is_refused(recordings_folder: Path) -> None:
    with pytest.raises(ConfigError, match="composed:huge is not known; choose one of tiny, small, full"):
        plan_composed("huge", recordings_folder)
