"""Sound of a sequence: a background, windows of other recordings over it, and damage; 16 bits, mono at 16 kHz."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler

from avadclip.data.composed.plan import Foreground, SequencePlan, SoundDamaged
from avadclip.data.composed.recordings import GRID, Recording
from avadclip.errors import MediaError
from avadclip.media.audio import LOWEST_DBFS, SoundReport
from avadclip.media.damage import Samples
from avadclip.media.track import SAMPLE_RATE_HZ, SoundBlock
from avadclip.media.windows import WindowCutter

FULL_SCALE = 2**15  # of 16 bits
LOUDNESS_SECONDS = 0.05  # over which loudness is measured to find the loud part
LOUD_RANGE_DB = 20.0  # below the loudest place of a recording, and still loud
MAX_PAUSE_SECONDS = 0.2  # inside a loud part
FADE_SECONDS = 0.01  # at both ends of a window, against clicks


def read_samples(path: Path) -> Samples:
    """Read a sound file, [N] within [-1, 1]; MediaError."""
    resampler = AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
    try:
        with av.open(str(path)) as container:
            frames = [*(each for frame in container.decode(audio=0) for each in resampler.resample(frame))]
        parts = [frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise MediaError(f"{path} has no readable sound ({error}); convert it to FLAC or WAV, or remove it") from error
    if not sum(map(len, parts)):
        raise MediaError(f"{path} holds no samples; remove it")
    return np.concatenate(parts).astype(np.float32)


def rms(samples: Samples) -> float:
    """Root mean square, 1 is full scale."""
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def to_level(samples: Samples, dbfs: float, *, measured: float | None = None) -> Samples:
    """Scale so that the RMS level is `dbfs`; silence stays silent.

    Args:
        samples: [N].
        dbfs: wanted level; 0 is a full-scale RMS of 1.
        measured: RMS to start from, by default that of all samples.
    """
    gain = 10 ** (dbfs / 20) / max(rms(samples) if measured is None else measured, 1e-9)
    return (samples * gain).astype(np.float32)


def loud_part(samples: Samples) -> Samples:
    """The stretch around the loudest place, without the silence before and after it."""
    size = round(LOUDNESS_SECONDS * SAMPLE_RATE_HZ)
    padded = np.pad(samples, (0, -len(samples) % size))
    power = np.square(padded, dtype=np.float64).reshape(-1, size).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-LOUD_RANGE_DB / 10))
    pauses = np.flatnonzero(np.diff(loud) > 1 + MAX_PAUSE_SECONDS / LOUDNESS_SECONDS) + 1
    stretch = next(part for part in np.split(loud, pauses) if power.argmax() in part)
    return samples[stretch[0] * size : (stretch[-1] + 1) * size]


def render_sound(plan: SequencePlan, recordings: Mapping[str, Recording]) -> Samples:
    """Samples [N] of a whole sequence, exactly those that 16 bits hold; clipped at full scale.

    A window over the background is filled from the loud part of its recording, over and over where that is shorter: how
    long recordings are does not tell their label.
    """
    num_samples = _to_samples(plan.num_snippets)
    background = read_samples(recordings[plan.background].path)
    mix = to_level(_lengthened(background, num_samples), plan.background_dbfs)
    for foreground in plan.foregrounds:
        window = mix[_to_samples(foreground.start) : _to_samples(foreground.end)]
        window += _foreground(foreground, plan, recordings, len(window))
    if plan.sound_damage is not None:
        stretch = mix[_to_samples(plan.sound_damage.start) : _to_samples(plan.sound_damage.end)]
        stretch[:] = _damaged(stretch, plan.sound_damage, plan.seed, recordings)
    whole = np.clip(np.rint(mix * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return (whole / FULL_SCALE).astype(np.float32)


def _to_samples(snippets: int) -> int:
    return round(snippets * GRID.snippet_seconds * SAMPLE_RATE_HZ)


def _lengthened(samples: Samples, num_samples: int) -> Samples:
    """As many samples, mirrored at the end as often as needed."""
    return np.pad(samples, (0, max(num_samples - len(samples), 0)), "symmetric")[:num_samples]


def _foreground(
    foreground: Foreground, plan: SequencePlan, recordings: Mapping[str, Recording], num_samples: int
) -> Samples:
    loud = loud_part(read_samples(recordings[foreground.recording].path))
    first = int(foreground.place * max(len(loud) - num_samples + 1, 1))
    window = np.resize(loud[first : first + num_samples], num_samples)
    fade = np.minimum(np.arange(1, num_samples + 1) / (FADE_SECONDS * SAMPLE_RATE_HZ), 1.0).astype(np.float32)
    return to_level(window * fade * fade[::-1], plan.background_dbfs + foreground.above_db)


def _damaged(
    stretch: Samples, damage: SoundDamaged, seed: tuple[int, ...], recordings: Mapping[str, Recording]
) -> Samples:
    """The stretch with white noise as strong as it is; or another recording, as loud; or digital silence."""
    match damage.fault:
        case "missing":
            return np.zeros_like(stretch)
        case "noisy":
            noise = np.random.default_rng([*seed, 1]).standard_normal(len(stretch), dtype=np.float32)
            return stretch + noise * np.float32(rms(stretch))
        case "foreign":
            donor = _lengthened(read_samples(recordings[damage.donor].path), len(stretch))
            return to_level(donor, 20 * np.log10(max(rms(stretch), 1e-9)))


class RenderedSound:
    """Rendered samples as a media.damage.SoundSource."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @property
    def report(self) -> SoundReport:
        """What a pass over a file with these samples would report."""
        peak = float(np.abs(self._samples).max())
        peak_dbfs = max(20 * np.log10(peak), LOWEST_DBFS) if peak > 0 else LOWEST_DBFS
        return SoundReport(0.0, len(self._samples) / SAMPLE_RATE_HZ, float(peak_dbfs), 0, 0.0, ())

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[Samples]:
        """See SoundReader.windows."""
        cutter = WindowCutter(centres, window_seconds)
        yield from cutter.add(SoundBlock(0, self._samples))
        yield from cutter.rest()
