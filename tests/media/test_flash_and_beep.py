"""Where flashes and beeps at known times are found, through containers, codecs and odd clocks.

`flash_and_beep.json` holds what is promised of each video: the notes, and whether its times are exact. After a change
that is meant, run with AVADCLIP_WRITE_FLASH_AND_BEEP=1 and read the difference.
"""

import json
import os
from pathlib import Path

import pytest

from .flash_and_beep import Combination, combinations, make, measure

pytestmark = pytest.mark.system

PROMISES = Path(__file__).with_name("flash_and_beep.json")
SOUND_SECONDS = 0.03
SNIPPET_SECONDS = 16 / 24
NO_TIMES = "the file has no times of display"

promised = json.loads(PROMISES.read_text())
is_written = bool(os.environ.get("AVADCLIP_WRITE_FLASH_AND_BEEP"))


def test_the_promises_are_of_these_videos_and_nearly_all_are_exact() -> None:
    names = [combination.name for combination in combinations()]
    assert len(names) >= 150
    assert sorted(promised) == sorted(names)
    inexact = [name for name, promise in promised.items() if promise["within"] == "a snippet"]
    assert len(inexact) <= 10
    assert all(any(NO_TIMES in note for note in promised[name]["notes"]) for name in inexact)


@pytest.mark.parametrize("combination", list(combinations()), ids=lambda combination: combination.name)
def test_flash_and_beep_are_at_their_times(ffmpeg: str, tmp_path: Path, combination: Combination) -> None:
    measured = measure(make(ffmpeg, combination, tmp_path), has_sound=combination.has_sound)
    due = combination.due_seconds
    assert len(measured.flashes) == len(due)
    assert len(measured.beeps) == (len(due) if combination.has_sound else 0)
    late = [found - time for found, time in zip(measured.flashes, due, strict=True)]
    sound_late = [found - time for found, time in zip(measured.beeps, due, strict=False)]
    is_exact = (
        max(map(abs, late)) <= combination.frame_seconds + 0.001
        and max(map(abs, sound_late), default=0.0) <= SOUND_SECONDS
    )
    if is_written:
        contents = json.loads(PROMISES.read_text()) if PROMISES.exists() else {}
        within = "a frame, 30 ms" if is_exact else "a snippet"
        contents[combination.name] = {"within": within, "notes": list(measured.notes)}
        PROMISES.write_text(json.dumps(contents, indent=1) + "\n")
        return
    promise = promised[combination.name]
    assert list(measured.notes) == promise["notes"]
    assert is_exact or promise["within"] == "a snippet"
    assert max(map(abs, [*late, *sound_late])) <= SNIPPET_SECONDS
