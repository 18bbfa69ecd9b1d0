import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from avadclip.inference.detector import Detection
from avadclip.report.label_studio import label_studio_interface, label_studio_task, write_label_studio

MakeDetection = Callable[..., Detection]


def test_times_are_frames_counted_from_one_by_hand(made_up: MakeDetection) -> None:
    made = made_up(60)
    event = made.events[0].model_copy(update={"start": 2.0, "end": 3.5, "score": 0.9, "label": "fighting"})
    media = dataclasses.replace(made.media, frame_rate_hz=10.0)
    task = label_studio_task(dataclasses.replace(made, media=media, events=(event,)), "yard.mp4")
    assert task == {
        "data": {"video": "yard.mp4", "source": made.source},
        "predictions": [
            {
                "model_version": "starter",
                "score": 0.9,
                "result": [
                    {
                        "id": "event-1",
                        "from_name": "event",
                        "to_name": "video",
                        "type": "timelinelabels",
                        "score": 0.9,
                        # The picture at 2.0 s is the 21st; the last one to begin before 3.5 s is the 35th.
                        "value": {"ranges": [{"start": 21, "end": 35}], "timelinelabels": ["fighting"]},
                    }
                ],
            }
        ],
    }


def test_the_interface_knows_every_name_that_the_prediction_uses(made_up: MakeDetection) -> None:
    detection = made_up(200, classes=("normal", 'fight "&<', "car accident"), with_named_sounds=True)
    view = ElementTree.fromstring(label_studio_interface(detection))
    control, video = view.find("TimelineLabels"), view.find("Video")
    labels = {label.attrib["value"] for label in control}
    task = label_studio_task(detection, "yard.mp4")
    assert video.attrib["value"].removeprefix("$") in task["data"]
    assert float(video.attrib["frameRate"]) == pytest.approx(detection.media.frame_rate_hz, rel=1e-4)
    assert "glass" in labels
    for region in task["predictions"][0]["result"]:
        assert (region["from_name"], region["to_name"]) == (control.attrib["name"], video.attrib["name"])
        assert set(region["value"]["timelinelabels"]) <= labels
    assert len({region["id"] for region in task["predictions"][0]["result"]}) == len(detection.events)


def test_the_file_is_a_list_of_tasks(made_up: MakeDetection, tmp_path: Path) -> None:
    write_label_studio(made_up(60), None, tmp_path / "label-studio.json")
    (task,) = json.loads((tmp_path / "label-studio.json").read_text())
    assert task["data"]["video"] == "videos/yard.mp4"
    ElementTree.parse(tmp_path / "label-studio.xml")
