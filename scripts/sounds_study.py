"""Measure the default sound events on shared recordings, and write docs/sounds.md.

    AVADCLIP_DATA=/path/to/data python scripts/sounds_study.py             # measures the manifest's thresholds
    AVADCLIP_DATA=/path/to/data python scripts/sounds_study.py --choose    # rates by threshold, of the choosing half

Needs `surveillance_sounds/` with sounds.csv, and the videos of `normal_videos/` and `surveillance_fights/`. Half of the
sessions choose names and thresholds; the other half is only measured. A session is never in both.
"""

import argparse
import csv
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sounds_page import HARD, OWN_RULE, Alarms, Measured, write_page

from avadclip.data.composed.sound import Samples, read_samples, rms, to_level
from avadclip.encoders.base import SoundTagger, SoundTags
from avadclip.encoders.load import load_tagger
from avadclip.errors import AvadclipError, DataError
from avadclip.events import UNNAMED_CLASSES, EventRules, ScoreTrack, SoundRule
from avadclip.files import write_atomically
from avadclip.inference.named_sounds import SoundScorer, sound_spans
from avadclip.media.audio import SoundReader
from avadclip.media.probe import MediaFile
from avadclip.media.track import SAMPLE_RATE_HZ, SoundBlock
from avadclip.media.windows import WindowCutter
from avadclip.timeline import SnippetGrid

REPOSITORY = Path(__file__).parents[1]
PLAIN = (
    "aircraft", "ambience", "applause", "bell", "clock_tick", "crowd", "crowd_talk", "engine", "music", "noise", "rain",
    "street", "train", "vehicle", "water", "wind",
)  # fmt: skip
"""Labels of backgrounds in which nothing happens."""
MIN_PLAIN_SECONDS = 4.0  # shorter ones are measured like events, over another background
BACKGROUND_DBFS = (-38.0, -30.0)  # under an event, drawn
EVENT_ABOVE_DB = (8.0, 20.0)  # of its loudest 0.1 s, above the background, drawn
LOUD_SAMPLES = SAMPLE_RATE_HZ // 10
DRAWS = 3  # backgrounds and levels of every event
SCENE_SECONDS, MARGIN_SECONDS = 6.0, 2.0  # an event's scene: at least so long, and so much longer than the event
ROOM_SAMPLES = round(MARGIN_SECONDS * SAMPLE_RATE_HZ)  # before and after an event as it was recorded
ROOM_RMS = 1e-3  # of the faint noise around an event as it was recorded; -60 dBFS
OTHER_LEVELS_DBFS = (-34.0, -26.0, -18.0)  # plain backgrounds are measured at these too
THRESHOLDS = np.arange(0.2, 0.95, 0.05)

GRID = SnippetGrid()


class Recording(NamedTuple):
    """One row of sounds.csv, with its sound."""

    label: str
    session: str
    is_held: bool
    samples: Samples

    @property
    def is_plain(self) -> bool:
        """Whether it is measured as a background, as it is."""
        return self.label in PLAIN and len(self.samples) >= MIN_PLAIN_SECONDS * SAMPLE_RATE_HZ


class Scene(NamedTuple):
    """A recording as the tagger heard it once."""

    recording: Recording
    tags: SoundTags


def count_events(tags: SoundTags, rule: SoundRule) -> int:
    """Events that a rule makes of these sounds, by the library's own search."""
    nothing = np.zeros(len(tags), np.float32)
    unscored = np.zeros((len(tags), len(UNNAMED_CLASSES)), np.float32)
    end = len(tags) * GRID.snippet_seconds
    track = ScoreTrack(nothing, unscored, UNNAMED_CLASSES, GRID.snippet_seconds, end)
    return len(sound_spans(SoundScorer(rule).push(tags), rule, track, EventRules()))


def read_recordings(folder: Path) -> list[Recording]:
    """Recordings whose label is used and not in doubt; a label's sessions alternate between halves, by a hash."""
    wanted = {*PLAIN, *OWN_RULE, *HARD}
    with (folder / "sounds.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["suspect"] == "0" and row["label"] in wanted]
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        labels[row["session"]][row["label"]] += 1
    ordered = sorted(labels, key=lambda name: (labels[name].most_common(1)[0][0], sha256(name.encode()).hexdigest()))
    held = set(ordered[1::2])
    return [
        Recording(row["label"], row["session"], row["session"] in held, read_samples(folder / row["file"]))
        for row in rows
    ]


def loudest_rms(samples: Samples) -> float:
    """RMS of the loudest 0.1 s."""
    squares = np.square(samples, dtype=np.float64)
    if len(squares) <= LOUD_SAMPLES:
        return rms(samples)
    return float(np.sqrt(np.convolve(squares, np.full(LOUD_SAMPLES, 1 / LOUD_SAMPLES), "valid").max()))


def over_background(event: Samples, background: Samples, draw: np.random.Generator) -> Samples:
    """The event in the middle of a background, mirrored to be long enough; levels are drawn."""
    total = round(max(SCENE_SECONDS * SAMPLE_RATE_HZ, len(event) + MARGIN_SECONDS * SAMPLE_RATE_HZ))
    scene = np.pad(background, (0, max(total - len(background), 0)), "symmetric")[:total]
    level, above = draw.uniform(*BACKGROUND_DBFS), draw.uniform(*EVENT_ABOVE_DB)
    scene = np.clip(to_level(scene, level), -1, 1)
    first = (total - len(event)) // 2
    scene[first : first + len(event)] += np.clip(to_level(event, level + above, measured=loudest_rms(event)), -1, 1)
    return scene


def tag(samples: Samples, tagger: SoundTagger) -> SoundTags:
    """The named sounds of every snippet, as extraction hears them."""
    num_snippets = GRID.num_snippets(len(samples) / SAMPLE_RATE_HZ)
    cutter = WindowCutter(islice(GRID.centres(), num_snippets), tagger.window_seconds)
    return tagger.tag(np.stack([*cutter.add(SoundBlock(0, samples)), *cutter.rest()])).tags


def scenes_of(recordings: list[Recording], tagger: SoundTagger, *, held: bool) -> Iterator[Scene]:
    """One half: backgrounds as they were recorded, all else DRAWS times over a background of the same half."""
    half = [each for each in recordings if each.is_held == held]
    backgrounds = [each.samples for each in half if each.is_plain]
    for number, each in enumerate(half):
        if each.is_plain:
            yield Scene(each, tag(each.samples, tagger))
            continue
        draw = np.random.default_rng([held, number])
        for _ in range(DRAWS):
            background = backgrounds[draw.integers(len(backgrounds))]
            yield Scene(each, tag(over_background(each.samples, background, draw), tagger))


def as_recorded(recordings: list[Recording], tagger: SoundTagger, *, held: bool) -> list[Scene]:
    """One half's recordings that are no backgrounds, at their own level, in faint noise that outlasts them."""
    scenes = []
    for number, each in enumerate(recordings):
        if each.is_held == held and not each.is_plain:
            noise = np.random.default_rng([held, number]).normal(0, ROOM_RMS, len(each.samples) + 2 * ROOM_SAMPLES)
            noise[ROOM_SAMPLES:-ROOM_SAMPLES] += each.samples
            scenes.append(Scene(each, tag(np.clip(noise, -1, 1).astype(np.float32), tagger)))
    return scenes


def at_other_levels(recordings: list[Recording], tagger: SoundTagger, *, held: bool) -> Iterator[Scene]:
    """The plain backgrounds of one half at OTHER_LEVELS_DBFS."""
    for each in recordings:
        if each.is_plain and each.is_held == held:
            for level in OTHER_LEVELS_DBFS:
                yield Scene(each, tag(np.clip(to_level(each.samples, level), -1, 1), tagger))


def size_of(recordings: list[Recording]) -> str:
    """`8 (5)`: recordings and sessions."""
    return f"{len(recordings)} ({len({each.session for each in recordings})})"


def alarms_in(tags: list[SoundTags], rules: tuple[SoundRule, ...]) -> Alarms:
    """Events of all rules in recordings without any."""
    counts = np.array([[count_events(each, rule) for rule in rules] for each in tags])
    return Alarms(
        {rule.label: int(count) for rule, count in zip(rules, counts.sum(axis=0), strict=True)},
        num_recordings=len(tags),
        num_raising=int(counts.any(axis=1).sum()),
        hours=sum(map(len, tags)) * GRID.snippet_seconds / 3600,
    )


def measure(label: str, scenes: list[Scene], rules: tuple[SoundRule, ...]) -> Measured:
    """Shares of one label's scenes in which each rule, and any of them, makes an event."""
    found = [scene for scene in scenes if scene.recording.label == label and not scene.recording.is_plain]
    fired = [{rule.label for rule in rules if count_events(scene.tags, rule)} for scene in found]
    total = max(len(found), 1)
    return Measured(
        num_recordings=len({id(scene.recording) for scene in found}),
        num_sessions=len({scene.recording.session for scene in found}),
        shares={rule.label: sum(rule.label in labels for labels in fired) / total for rule in rules},
        any_share=sum(map(bool, fired)) / total,
    )


def video_tags(data: Path, tagger: SoundTagger) -> Iterator[SoundTags]:
    """The sounds of ordinary videos with an audible track."""
    with (data / "surveillance_fights/clips.csv").open(newline="") as file:
        normal = [row for row in csv.DictReader(file) if row["label"] == "normal" and row["audible"] == "1"]
    names = [f"surveillance_fights/{row['file']}" for row in normal]
    with (data / "normal_videos/videos.csv").open(newline="") as file:
        names += [f"normal_videos/{row['file']}" for row in csv.DictReader(file) if row["sound"] == "1"]
    for name in names:
        media = MediaFile.open(data / name)
        reader = SoundReader(media)
        num_snippets = GRID.num_snippets(media.info.duration_seconds)
        windows = list(reader.windows(islice(GRID.centres(), num_snippets), tagger.window_seconds))
        if not reader.report.silent:
            yield tagger.tag(np.stack(windows)).tags


def print_choice(recordings: list[Recording], tagger: SoundTagger) -> None:
    """Every default rule at every threshold, on the choosing half only."""
    scenes = list(scenes_of(recordings, tagger, held=False))
    plain = [scene.tags for scene in scenes if scene.recording.is_plain]
    others = [scene.tags for scene in at_other_levels(recordings, tagger, held=False)]
    for rule in tagger.default_sounds:
        print(f"\n{rule.label}: {', '.join(rule.names)}")
        for threshold in THRESHOLDS:
            rules = (SoundRule(rule.label, rule.names, float(threshold)),)
            counts = [alarms_in(tags, rules).counts[rule.label] for tags in (plain, others)]
            shares = {label: measure(label, scenes, rules).any_share for label in (*OWN_RULE, *HARD)}
            fired = ", ".join(f"{label} {share:.0%}" for label, share in shares.items() if share)
            print(f"  {threshold:.2f}: {counts[0]} and {counts[1]} on plain backgrounds; {fired}")


def main() -> None:
    """Choose, or measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true", help="print the choosing half's rates by threshold")
    options = parser.parse_args()
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_sounds/")
    data, tagger = Path(os.environ["AVADCLIP_DATA"]), load_tagger()
    recordings = read_recordings(data / "surveillance_sounds")
    if options.choose:
        print_choice(recordings, tagger)
        return
    rules = tagger.default_sounds
    halves = {held: list(scenes_of(recordings, tagger, held=held)) for held in (False, True)}
    alone = as_recorded(recordings, tagger, held=True)
    alarms = {
        held: alarms_in([scene.tags for scene in scenes if scene.recording.is_plain], rules)
        for held, scenes in halves.items()
    }
    page = write_page(
        rules,
        chosen={label: measure(label, halves[False], rules) for label in (*OWN_RULE, *HARD)},
        measured={label: measure(label, halves[True], rules) for label in (*OWN_RULE, *HARD)},
        recorded={label: measure(label, alone, rules) for label in (*OWN_RULE, *HARD)},
        chosen_alarms=alarms[False],
        alarms=alarms[True],
        level_alarms=alarms_in([scene.tags for scene in at_other_levels(recordings, tagger, held=True)], rules),
        video_alarms=alarms_in(list(video_tags(data, tagger)), rules),
    )
    write_atomically(REPOSITORY / "docs/sounds.md", page)
    for label in (*PLAIN, *OWN_RULE, *HARD):
        sizes = [size_of([each for each in recordings if (each.label, each.is_held) == (label, h)]) for h in halves]
        print(f"{label}: {sizes[0]} choose, {sizes[1]} measure")


if __name__ == "__main__":
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"sounds_study: {error}")
