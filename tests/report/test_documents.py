import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avadclip.errors import DataError
from avadclip.inference.detector import Detection
from avadclip.report.documents import from_document, read_detections
from avadclip.report.exports import to_document, to_json
from avadclip.report.page_folder import write_index, write_page

MakeDetection = Callable[..., Detection]


@pytest.mark.parametrize("with_named_sounds", [True, False])
@pytest.mark.parametrize("with_sound", [True, False])
def test_a_result_is_read_back_as_it_was_written(
    made_up: MakeDetection, tmp_path: Path, with_sound: bool, with_named_sounds: bool
) -> None:
    written = made_up(200, with_sound=with_sound, notes=("odd",), with_named_sounds=with_named_sounds)
    path = tmp_path / "detection.json"
    path.write_text(to_json(written, include_scores=True))
    (read,) = read_detections(path)
    np.testing.assert_allclose(read.track.scores, written.track.scores, atol=6e-7)
    np.testing.assert_array_equal(read.track.boundaries()[:-1], written.track.boundaries()[:-1])
    assert read.rules == written.rules
    assert read.thresholds == written.thresholds
    assert read.events == tuple(event.rounded() for event in written.events)
    assert read.sounds == (written.sounds and tuple(sound.rounded() for sound in written.sounds))
    assert to_document(read, include_scores=True) == to_document(written, include_scores=True)


def test_a_result_from_before_named_sounds_is_read(made_up: MakeDetection) -> None:
    document = to_document(made_up(60), include_scores=True)
    for part, key in ((document, "sounds"), (document, "sound_summary"), (document["rules"], "sounds")):
        del part[key]
    for event in document["events"]:
        del event["kind"], event["sounds"]
    read = from_document(document, origin="old.json")
    assert (read.sounds, read.sound_summary, read.rules.sounds) == (None, None, None)
    assert {(event.kind, event.sounds) for event in read.events} == {("model", ())}


def test_a_list_of_results_is_read_in_its_order(made_up: MakeDetection, tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    documents = [to_document(made_up(5, source=name), include_scores=True) for name in ("b.mp4", "a.mp4")]
    path.write_text(json.dumps(documents))
    assert [detection.source for detection in read_detections(path)] == ["b.mp4", "a.mp4"]


def test_a_later_version_may_add_keys(made_up: MakeDetection) -> None:
    document = {**to_document(made_up(5), include_scores=True), "weather": "rain"}
    assert from_document(document, origin="x").source == "videos/yard.mp4"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("format",), "avadclip-detection/9", "format"),
        (("media", "width"), 0, "media.width"),
        (("scores", "anomaly", 3), 1.5, "scores.anomaly.3"),
        (("scores", "anomaly"), [], "scores.anomaly"),
        (("scores", "class_probabilities", 2), [1.0], "a row per snippet and a column per class"),
        (("scores", "visual_student"), [0.5], "not as many"),
        (("scores", "snippet_seconds"), float("nan"), "scores.snippet_seconds"),
        (("rules",), None, "rules"),
        (("events", 0, "severity"), "panic", "events.0.severity"),
        (("events", 0, "kind"), "smell", "events.0.kind"),
        (("events", -1, "kind"), "model", "'glass', which is not in classes"),
        (("events", -1, "label"), "a\nb", "no name of a sound"),
        (("events", -1, "sounds", 0, "probability"), 1.1, "has the probability 1.1"),
        (("sounds", 0, "probability"), float("nan"), "has the probability nan"),
        (("sounds", 0, "name"), "a\nb", "no name of a sound"),
        (("sounds", 0, "name"), "", "no name of a sound"),
        (("sounds", 0, "name"), "x" * 201, "no name of a sound"),
        (("sounds", 0, "start"), -1.0, "from -1 to"),
        (("sounds", 0, "start"), 20.1, "from 20.1 to 20 s"),
        (("sounds", 0, "end"), float("inf"), "to inf s"),
        (("rules", "sounds", 0, "threshold"), 0.0, "rules.sounds.0.threshold"),
        (("rules", "sounds", 0, "names", 1), "\x1b[31m", "rules.sounds.0.names.1"),
    ],
)
def test_what_is_no_result_is_refused_with_its_place(
    made_up: MakeDetection, place: tuple[Any, ...], value: object, message: str
) -> None:
    document = copy.deepcopy(to_document(made_up(60, with_named_sounds=True), include_scores=True))
    document["events"].sort(key=lambda event: event["kind"])  # that of a sound is the last
    part = document
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(DataError, match=r"^old\.json ") as refused:
        from_document(document, origin="old.json")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_result_without_scores_is_refused_with_the_remedy(made_up: MakeDetection) -> None:
    with pytest.raises(DataError, match=r"holds no scores.*--format json --scores"):
        from_document(to_document(made_up(5)), origin="old.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '"text"', "[" * 100_000])
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"x\.json"):
        read_detections(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_detections(tmp_path / "missing.json")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=5,
)


def places_in(part: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where a value stands in a document."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [place, *(found for key, value in inner for found in places_in(value, (*place, key)))]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_at_any_place_is_refused_or_makes_a_page(
    made_up: MakeDetection, tmp_path: Path, data: st.DataObject
) -> None:
    made = made_up(8, source="yard.mp4", notes=("odd",), with_named_sounds=True)
    document = to_document(made, include_scores=True)
    assert document["events"]
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from(places_in(document)[1:]))
        part: Any = document
        for key in parents:
            part = part[key]
        part[last] = data.draw(ANYTHING)
    path = tmp_path / "detection.json"
    path.write_text(json.dumps(document))
    try:
        (read,) = read_detections(path)
    except DataError:
        return
    page = write_page(read, tmp_path / "pages" / "one", video=None)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    write_index(tmp_path / "pages")
