"""Named sounds of a video or a stretch of it, and the events they raise without training."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from statistics import median

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import SoundTagger, SoundTags
from avadclip.errors import ConfigError
from avadclip.events import EventRules, NamedSound, ScoreTrack, SoundRule, find_spans

MIN_PROBABILITY = 0.2  # from which a sound is named
MAX_GAP_SNIPPETS = 2  # a sound that pauses for so many snippets is one sound
SUSTAINED_SHARE = 0.2  # of the video: the summary names such a sound without a time
MAX_NAMES = 5  # of each kind in a summary, and of an event's sounds
SUDDEN_SNIPPETS = 15  # ten seconds
MAX_SUGGESTIONS = 3  # names offered for an unknown one
NO_SOUND = "Silence"  # AudioSet's name for it
UNNAMED_THRESHOLD = 0.3  # of a sound that the user named without a threshold


def named_sounds(tags: SoundTags, boundaries: NDArray[np.float64]) -> tuple[NamedSound, ...]:
    """Every sound with its stretch of time, in order of time.

    Args:
        tags: of T snippets.
        boundaries: start of every snippet and end of the last one in seconds, [T + 1].
    """
    found: list[NamedSound] = []
    for index in np.unique(tags.indices[tags.probabilities >= MIN_PROBABILITY]):
        name = tags.names[int(index)]
        if name == NO_SOUND:
            continue
        probabilities = tags.probability_of([name])
        for start, stop in _runs(probabilities >= np.float16(MIN_PROBABILITY)):
            found.append(
                NamedSound(
                    name=name,
                    probability=float(probabilities[start:stop].max()),
                    start=float(boundaries[start]),
                    end=float(boundaries[stop]),
                ).rounded()
            )
    return tuple(sorted(found, key=lambda sound: (sound.start, -sound.probability, sound.name)))


def sounds_during(
    tags: SoundTags | None, boundaries: NDArray[np.float64], span: tuple[int, int]
) -> tuple[NamedSound, ...]:
    """The most probable sounds of the snippets [start, stop), each name once, from its first to its last snippet there.

    Args:
        tags: of the whole video; None where sounds were not named.
        boundaries: see named_sounds.
        span: half-open snippet range.
    """
    if tags is None:
        return ()
    start, stop = span
    joined: dict[str, NamedSound] = {}
    for sound in named_sounds(tags.part(start, stop), boundaries[start : stop + 1]):
        joined[sound.name] = join_sounds(joined.get(sound.name), sound)
    return most_probable(joined.values())


def join_sounds(earlier: NamedSound | None, later: NamedSound) -> NamedSound:
    """The same sound in two stretches of time as one."""
    if earlier is None:
        return later
    return later.model_copy(update={"start": earlier.start, "probability": max(earlier.probability, later.probability)})


def most_probable(sounds: Iterable[NamedSound]) -> tuple[NamedSound, ...]:
    """The MAX_NAMES most probable sounds, the most probable first."""
    return tuple(sorted(sounds, key=lambda sound: (-sound.probability, sound.name))[:MAX_NAMES])


class SoundScorer:
    """The score of a rule, snippet after snippet: the highest probability of its sounds.

    Of a sudden sound it is what that exceeds its median over the SUDDEN_SNIPPETS before, at least 0.
    """

    def __init__(self, rule: SoundRule) -> None:
        self._rule = rule
        self._before: deque[float] = deque(maxlen=SUDDEN_SNIPPETS)

    def push(self, tags: SoundTags | None) -> NDArray[np.float32]:
        """Scores of the next snippets, [T]; 0 of one snippet without sound."""
        probabilities = np.zeros(1, np.float32) if tags is None else tags.probability_of(self._rule.names)
        if not self._rule.is_sudden:
            return probabilities
        return np.array([self._above_usual(float(each)) for each in probabilities], np.float32)

    def _above_usual(self, probability: float) -> float:
        usual = median(self._before) if self._before else 0.0
        self._before.append(probability)
        return max(probability - usual, 0.0)


def sound_spans(
    scores: NDArray[np.float32], rule: SoundRule, track: ScoreTrack, rules: EventRules
) -> list[tuple[int, int]]:
    """Half-open snippet ranges of one rule's events, by the rules of all events with the sound's own threshold.

    Args:
        scores: of all snippets, by SoundScorer.
        rule: whose threshold counts.
        track: of the same video.
        rules: of all events.
    """
    return find_spans(replace(track, scores=scores), replace(rules, threshold=rule.threshold))


def summarise(sounds: Sequence[NamedSound], duration_seconds: float) -> str:
    """One line such as `speech, traffic; 0:14 glass`: sustained sounds, then the short ones with their times."""
    lasting: dict[str, float] = {}
    for sound in sounds:
        lasting[sound.name] = lasting.get(sound.name, 0.0) + sound.end - sound.start
    sustained = [name for name, seconds in lasting.items() if seconds >= SUSTAINED_SHARE * duration_seconds]
    sustained.sort(key=lambda name: (-lasting[name], name))
    brief = most_probable([sound for sound in sounds if sound.name not in sustained])
    parts = [", ".join(short_sound_name(name) for name in sustained[:MAX_NAMES])]
    parts += [
        f"{int(sound.start) // 60}:{int(sound.start) % 60:02d} {short_sound_name(sound.name)}"
        for sound in sorted(brief, key=lambda sound: sound.start)
    ]
    return "; ".join(part for part in parts if part)


def short_sound_name(name: str) -> str:
    """`gunshot` for `Gunshot, gunfire`: AudioSet's names list synonyms."""
    first = name.split(",", maxsplit=1)[0].strip()
    return first[:1].lower() + first[1:]


def parse_sound_rules(
    wanted: Iterable[str], tagger_names: Sequence[str], defaults: Sequence[SoundRule]
) -> tuple[SoundRule, ...]:
    """See sound_rules; each wanted sound is `NAME` or `NAME=THRESHOLD`."""
    return sound_rules([parse_sound(text) for text in wanted], tagger_names, defaults)


def parse_sound(text: str) -> tuple[str, float | None]:
    """Name and threshold of `NAME=THRESHOLD`, or of `NAME`; ConfigError for a threshold that is no number."""
    name, has_threshold, value = text.rpartition("=") if "=" in text else (text, "", "")
    try:
        return name.strip(), float(value) if has_threshold else None
    except ValueError:
        raise ConfigError(f"the sound {text!r} has the threshold {value!r}; give a number, as in {name}=0.4") from None


def sound_rules(
    wanted: Iterable[tuple[str, float | None]], tagger_names: Sequence[str], defaults: Sequence[SoundRule]
) -> tuple[SoundRule, ...]:
    """Rules of the sounds that the user wants.

    Args:
        wanted: names and thresholds. A name is the label of a default rule, a sound of the tagger, or an unambiguous
            beginning of one; case does not matter, and a label goes before a sound of that name. None is the threshold
            of the default rule, else UNNAMED_THRESHOLD.
        tagger_names: see SoundTagger.names.
        defaults: see SoundTagger.default_sounds.

    Raises:
        ConfigError: an unknown or ambiguous name, a sound given twice, or a threshold outside (0, 1].
    """
    known = {name: rule for rule in defaults for name in (rule.label, *rule.synonyms)}
    known |= {name: SoundRule(short_sound_name(name), (name,), UNNAMED_THRESHOLD) for name in tagger_names}
    rules: dict[str, SoundRule] = {}
    for name, threshold in wanted:
        rule = known[_known_name(name, list(known))]
        if rule.label in rules:
            raise ConfigError(f"the sound {rule.label!r} is given twice; give it once")
        rules[rule.label] = rule if threshold is None else replace(rule, threshold=threshold)
    return tuple(rules.values())


def sounds_of_class(word: str, tagger: SoundTagger) -> tuple[str, ...]:
    """The sounds that a class word names: a default sound, or one whose name it is up to the words' endings."""
    for rule in tagger.default_sounds:
        if _stems(word) in map(_stems, (rule.label, *rule.synonyms)):
            return rule.names
    return tuple(name for name in tagger.names if _stems(word) in map(_stems, (name, *name.split(","))))


def _stems(phrase: str) -> tuple[str, ...]:
    """`("glass", "break")` for `glass breaking`."""
    return tuple(re.sub(r"(ing|s)$", "", word) for word in re.findall(r"\w+", phrase.casefold()))


def _known_name(wanted: str, names: list[str]) -> str:
    exact = [name for name in names if name.casefold() == wanted.casefold()]
    matches = exact[:1] or [name for name in names if wanted and name.casefold().startswith(wanted.casefold())]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"{wanted!r} begins the names of several sounds ({_listed(matches)}); give more of the name")
    raise ConfigError(
        f"there is no sound {wanted!r}; the nearest names are {_listed(_nearest(wanted, names))}; "
        "`avadclip weights show yamnet` lists all"
    )


def _nearest(wanted: str, names: list[str]) -> list[str]:
    """Names that contain the word, else those that are spelled alike."""
    holding = [name for name in names if wanted and wanted.casefold() in name.casefold()]
    folded = {part.strip().casefold(): name for name in names for part in (name, *name.split(","))}
    close = get_close_matches(wanted.casefold(), list(folded), n=MAX_SUGGESTIONS, cutoff=0.0)
    return list(dict.fromkeys([*holding, *(folded[name] for name in close)]))[:MAX_SUGGESTIONS]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name!r}" for name in names[:MAX_SUGGESTIONS])
    return f"{shown}, .." if len(names) > MAX_SUGGESTIONS else shown


def _runs(is_present: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of True, joined over gaps of up to MAX_GAP_SNIPPETS."""
    places = np.flatnonzero(is_present)
    cuts = np.flatnonzero(np.diff(places) > MAX_GAP_SNIPPETS + 1)
    for first, last in zip([0, *(cuts + 1)], [*cuts, len(places) - 1], strict=True):
        yield int(places[first]), int(places[last]) + 1
