"""Write recordings.csv of the shared recordings, for composed:SIZE:FOLDER.

    AVADCLIP_DATA=/path/to/data python scripts/composed_recordings.py FOLDER

The sound of videos is not used, and sounds whose label is in doubt are left out.
"""

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sounds_page import HARD
from sounds_study import PLAIN

from avadclip.data.composed.recordings import FILE_NAME, RecordingRow, Role
from avadclip.errors import AvadclipError, DataError
from avadclip.files import write_atomically
from avadclip.media.suffixes import VIDEO_SUFFIXES

SOUND_EVENTS = ("gunshot", "explosion", "scream", "glass_break", "siren")
FIGHTS_LICENCE = "MIT (seymanurakti/fight-detection-surv-dataset)"
SESA, SESA_LICENCE = "SESA", "SESA: CC BY 4.0 as remembered, not stated in the copy"


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """Lines of a CSV file, `file` with its whole path."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            yield row | {"file": str(path.parent / row["file"])}


def pictures(data: Path) -> Iterator[RecordingRow]:
    """Fights; ordinary motion before the same cameras; ordinary videos."""
    for row in rows_of(data / "surveillance_fights/clips.csv"):
        role: Role = "event" if row["label"] == "fighting" else "hard negative"
        yield recording(row, "picture", session=row["source"], licence=FIGHTS_LICENCE, role=role)
    for row in rows_of(data / "normal_videos/videos.csv"):
        licence = f"{row['licence']} ({row['source']})"
        if Path(row["file"]).suffix not in VIDEO_SUFFIXES:
            continue  # animated pictures, which the reader refuses
        yield recording(row, "picture", session=row["recording"], licence=licence, role="background")


def sounds(data: Path) -> Iterator[RecordingRow]:
    """Those whose label is an event, resembles one, or is a background."""
    roles: dict[str, Role] = dict.fromkeys(PLAIN, "background")
    roles |= dict.fromkeys(HARD, "hard negative") | dict.fromkeys(SOUND_EVENTS, "event")
    for row in rows_of(data / "surveillance_sounds/sounds.csv"):
        if row["suspect"] == "0" and row["label"] in roles:
            licence = SESA_LICENCE if row["licence"].startswith(SESA) else f"{row['licence']} ({row['source']})"
            yield recording(row, "sound", session=row["session"], licence=licence, role=roles[row["label"]])


def recording(row: dict[str, str], kind: str, *, session: str, licence: str, role: Role) -> RecordingRow:
    """One line of recordings.csv."""
    return RecordingRow.model_validate(
        {
            "file": row["file"],
            "kind": kind,
            "label": row["label"],
            "session": session,
            "licence": licence,
            "share_alike": row.get("share_alike", "0"),
            "role": role,
        }
    )


def write_recordings(folder: Path, rows: Iterable[RecordingRow]) -> None:
    """Write recordings.csv."""
    table = io.StringIO()
    writer = csv.DictWriter(table, list(RecordingRow.model_fields), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row.model_dump() | {"share_alike": int(row.share_alike)})
    write_atomically(folder / FILE_NAME, table.getvalue())


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made if it is missing")
    options = parser.parse_args()
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_sounds/")
    data = Path(os.environ["AVADCLIP_DATA"]).resolve()
    write_recordings(options.folder, (*pictures(data), *sounds(data)))


if __name__ == "__main__":
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"composed_recordings: {error}")
