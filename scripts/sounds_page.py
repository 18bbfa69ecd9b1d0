"""The page on sound events: every figure in it comes from the run that writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from scipy.stats import chi2

from avadclip.events import SoundRule

OWN_RULE = {
    "gunshot": "gunshot",
    "explosion": "explosion",
    "glass_break": "glass",
    "scream": "scream",
    "alarm": "smoke or fire alarm",
}
"""Labels of recordings, and the rule that should fire on them."""
HARD = (
    "fireworks thunder fire car_horn siren impact household footsteps power_tool speech baby_cry human_nonspeech sneeze "
    "dog_bark rooster animal"
).split()
"""Labels on which no rule should fire, but which resemble events; `siren` is no smoke alarm."""
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Measured:
    """Recordings of one label in one half."""

    label: str
    num_recordings: int
    num_sessions: int
    shares: Mapping[str, float]
    """Share in which a rule makes an event, by the rule's label."""
    any_share: float
    """Share in which any rule does."""

    @property
    def size(self) -> str:
        """`68 (5)`: recordings and sessions."""
        return f"{self.num_recordings} ({self.num_sessions})"


@dataclass(frozen=True)
class Alarms:
    """Events in sound that holds none."""

    counts: Mapping[str, int]
    """By the rule's label."""
    hours: float

    @property
    def total(self) -> int:
        """Of all rules."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        """`1 in 0.30 h (3.3 an hour; 95 %: 0.1 to 18)`."""
        low = chi2.ppf(0.025, 2 * self.total) / 2 if self.total else 0.0
        high = chi2.ppf(0.975, 2 * self.total + 2) / 2
        rates = [f"{count / self.hours:.1f}" for count in (self.total, low, high)]
        return f"{self.total} in {self.hours:.2f} h ({rates[0]} an hour; 95 %: {rates[1]} to {rates[2]})"


def write_page(
    rules: tuple[SoundRule, ...],
    *,
    chosen: Mapping[str, Measured],
    measured: Mapping[str, Measured],
    chosen_alarms: Alarms,
    alarms: Alarms,
    level_alarms: Alarms,
    video_alarms: Alarms,
) -> str:
    """Markdown."""
    return f"""# Sound events, measured

YAMNet names 521 sounds of AudioSet in every video. These raise events without training, unless you name others:

| event | sounds | threshold |
|---|---|---|
{_rule_rows(rules)}

## How they were chosen

Recordings are freely licensed effects, games' sounds, ESC-10, and SESA (CC BY 4.0 as
remembered; its copy states none). Sessions, not files, were split in two by a hash. One half chose; the other was
measured once. An event lies over a background of its half (-38 to -30 dBFS), its loud part 8 to 20 dB above, in three
drawn scenes. A threshold is the lowest that no plain background of the choosing half reaches, at its own level or at
-34, -26 or -18 dBFS; higher where that costs no recall.
Smoke alarms had no recording to choose on. Repeat with `python scripts/sounds_study.py`.

## On the other half

Recordings (sessions), and the share in which an event was raised. Intervals (95 %, Wilson) count a session as one
recording.

| sound | chose | measured | its event | any event |
|---|---|---|---|---|
{_own_rows(chosen, measured)}

| no event, but alike | chose | measured | any event | most often |
|---|---|---|---|---|
{_hard_rows(chosen, measured)}

| false alarms | all events |
|---|---|
| plain backgrounds, choosing half | {chosen_alarms} |
| plain backgrounds, other half | {alarms} |
| the same at -34, -26, -18 dBFS | {level_alarms} |
| ordinary videos with sound | {video_alarms} |

Backgrounds: rain, wind, water, street, vehicles, trains, aircraft, engines, crowds, rooms, clocks, music, noise.

## Limits

- Few sessions, of studios and games rather than cameras, minutes of background: read the intervals.
- Gunshots and explosions are often named as each other; fireworks as either. Nobody can tell them apart by this.
- A distant, short or masked sound is missed. Lower a threshold (`--sound explosion=0.3`) to find more, with more false
  alarms.
- Expect false alarms from fireworks, crackling fire, thunder, dropped or struck objects, dishes, and films.
- A siren is no smoke alarm, and has no event by default.
"""


def _rule_rows(rules: tuple[SoundRule, ...]) -> str:
    return "\n".join(f"| {rule.label} | {'; '.join(rule.names)} | {rule.threshold:g} |" for rule in rules)


def _own_rows(chosen: Mapping[str, Measured], measured: Mapping[str, Measured]) -> str:
    lines = []
    for label, rule in OWN_RULE.items():
        found = measured[label]
        share = found.shares[rule]
        low, high = _wilson(share, found.num_sessions)
        own = f"{share:.0%} ({low:.0%} to {high:.0%})"
        lines.append(f"| {_words(label)} | {chosen[label].size} | {found.size} | {own} | {found.any_share:.0%} |")
    return "\n".join(lines)


def _hard_rows(chosen: Mapping[str, Measured], measured: Mapping[str, Measured]) -> str:
    lines = []
    for label in HARD:
        found = measured[label]
        rule = max(found.shares, key=lambda name: found.shares[name])
        most = f"{rule} {found.shares[rule]:.0%}" if found.any_share else ""
        lines.append(f"| {_words(label)} | {chosen[label].size} | {found.size} | {found.any_share:.0%} | {most} |")
    return "\n".join(lines)


def _wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share that was measured `count` times."""
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _words(label: str) -> str:
    return label.replace("_", " ")
