"""Which of several audio tracks is used, and what is said about it."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from avadclip.errors import MediaError
from avadclip.media.audio import SoundReader
from avadclip.media.mp4_copy import write_copy
from avadclip.media.playable import why_unplayable
from avadclip.media.probe import MediaFile

SILENCE = "anullsrc=r=48000:cl=mono"
DITHER = "aevalsrc='if(gt(random(0),0.5),1,-1)/32768':s=48000"  # one bit of 16
LATE = "aevalsrc='if(gt(t,3),0.3*sin(2*PI*300*t),0)':s=48000"  # silent for most of the file


def tone(hz):
    return f"aevalsrc='0.3*sin(2*PI*{hz}*t)':s=48000"


def write_tracks(ffmpeg, path, *sources, options=(), codec="aac", seconds=4):
    """A video with one mono track per source."""
    inputs = [word for source in sources for word in ("-f", "lavfi", "-t", str(seconds), "-i", source)]
    maps = [word for number in range(len(sources) + 1) for word in ("-map", str(number))]
    picture = ("-f", "lavfi", "-t", str(seconds), "-i", "testsrc=s=64x48:r=24")
    encoding = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", codec)
    subprocess.run([ffmpeg, "-v", "error", *picture, *inputs, *maps, *encoding, *options, "-y", str(path)], check=True)
    return path


def heard_hz(path, **asked):
    """Frequency of the sound that is read, and the note about the choice."""
    media = MediaFile.open(path, **asked)
    (window,) = SoundReader(media).windows([3.4], 0.5)
    hz = int(np.abs(np.fft.rfft(window * np.hanning(len(window)))).argmax()) * 2 if np.abs(window).max() > 0.1 else 0
    return hz, [note for note in media.info.notes if "audio track" in note]


DEFAULT_1 = ("-disposition:a:0", "default")


@pytest.mark.parametrize(
    ("sources", "options", "hz", "note"),
    [
        ([tone(300), tone(500)], DEFAULT_1, 300, "2 audio tracks; number 1 is used"),
        ([SILENCE, tone(500)], DEFAULT_1, 500, "2 audio tracks; number 2 is used: number 1 is silent"),
        ([DITHER, tone(500)], DEFAULT_1, 500, "2 audio tracks; number 2 is used: number 1 is silent"),
        ([LATE, tone(500)], DEFAULT_1, 300, "2 audio tracks; number 1 is used"),
        ([SILENCE, LATE], DEFAULT_1, 300, "2 audio tracks; number 2 is used: number 1 is silent"),
        (
            [SILENCE, DITHER, tone(700)],
            DEFAULT_1,
            700,
            "3 audio tracks; number 3 is used: number 1 is silent, number 2 is silent",
        ),
        (
            [tone(300), SILENCE],
            ("-disposition:a:1", "default"),
            300,
            "2 audio tracks; number 1 is used: number 2 is silent",
        ),
        ([SILENCE, DITHER], DEFAULT_1, 0, "2 audio tracks; number 1 is used: none of them can be heard"),
        (
            [tone(300), tone(500)],
            ("-disposition:a:0", "default+comment", "-metadata:s:a:1", "language=deu"),
            500,
            "2 audio tracks; number 2 (deu) is used: number 1 is a commentary or a description",
        ),
        (
            [tone(300), tone(500)],
            ("-disposition:a:0", "default+visual_impaired"),
            500,
            "2 audio tracks; number 2 is used: number 1 is a commentary or a description",
        ),
        (
            [tone(300), tone(500)],
            (*DEFAULT_1, "-metadata:s:a:0", "title=Director's Commentary", "-metadata:s:a:1", "title=Yard"),
            500,
            "2 audio tracks; number 2 (Yard) is used: number 1 is a commentary or a description",
        ),
        (
            [SILENCE, tone(500), tone(700)],
            ("-disposition:a:0", "default", "-disposition:a:1", "comment"),
            700,
            "3 audio tracks; number 3 is used: number 1 is silent, number 2 is a commentary or a description",
        ),
        (
            [tone(300), SILENCE],
            ("-disposition:a:0", "comment", "-disposition:a:1", "default"),
            300,  # a commentary is better than silence
            "2 audio tracks; number 1 is used: number 2 is silent",
        ),
    ],
)
def test_the_first_track_that_is_not_silent_is_used_and_named(ffmpeg, tmp_path, sources, options, hz, note):  # noqa: PLR0917
    assert heard_hz(write_tracks(ffmpeg, tmp_path / "a.mkv", *sources, options=options)) == (hz, [note])


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "aac"), ("a.ts", "aac"), ("a.avi", "pcm_u8"), ("b.avi", "mp2"), ("a.mov", "pcm_s24le")],
)
def test_a_silent_track_is_passed_over_in_every_container(ffmpeg, tmp_path, name, codec):
    path = write_tracks(ffmpeg, tmp_path / name, SILENCE, tone(500), codec=codec)
    assert heard_hz(path)[0] == 500


def test_an_opposite_phase_track_is_not_silent(ffmpeg, tmp_path):
    opposite = "aevalsrc='0.3*sin(2*PI*300*t)|-0.3*sin(2*PI*300*t)':s=48000"
    assert heard_hz(write_tracks(ffmpeg, tmp_path / "a.mkv", opposite, tone(500), options=DEFAULT_1))[0] == 300


def test_the_only_track_with_sound_is_used_though_it_is_damaged(ffmpeg, tmp_path):
    path = write_tracks(ffmpeg, tmp_path / "a.mkv", SILENCE, tone(500), options=DEFAULT_1)
    damaged = tmp_path / "damaged.mkv"
    noise = ("-bsf:a:1", "noise=amount=2000")
    subprocess.run([ffmpeg, "-v", "error", "-i", path, "-map", "0", "-c", "copy", *noise, "-y", damaged], check=True)
    hz, notes = heard_hz(damaged)
    assert hz == 500
    assert notes == ["2 audio tracks; number 2 is used: number 1 is silent"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_track_that_was_asked_for_is_used_whatever_it_holds(ffmpeg, tmp_path, number):
    path = write_tracks(
        ffmpeg, tmp_path / "a.mkv", tone(300), SILENCE, tone(700), options=("-disposition:a:2", "comment")
    )
    note = f"3 audio tracks; number {number} is used, as asked for"
    assert heard_hz(path, audio_track=number) == ([300, 0, 700][number - 1], [note])


def test_a_track_that_does_not_exist_is_an_error(ffmpeg, tmp_path, make_video):
    path = write_tracks(ffmpeg, tmp_path / "a.mkv", tone(300), tone(500))
    with pytest.raises(MediaError, match=r"a\.mkv has 2 audio tracks, asked for was number 3"):
        MediaFile.open(path, audio_track=3)
    with pytest.raises(MediaError, match="has 0 audio tracks, asked for was number 1"):
        MediaFile.open(make_video(tmp_path / "none.mp4"), audio_track=1)


def test_one_track_needs_no_note_and_no_second_opening(ffmpeg, tmp_path, opened_files):
    path = write_tracks(ffmpeg, tmp_path / "a.mkv", tone(300))
    opened_files.clear()
    media = MediaFile.open(path)
    assert len(opened_files) == 1
    assert not any("track" in note for note in media.info.notes)


def test_a_copy_for_the_browser_holds_the_sound_that_was_scored(ffmpeg, tmp_path: Path):
    path = write_tracks(ffmpeg, tmp_path / "a.mp4", SILENCE, tone(500))
    media = MediaFile.open(path)
    assert why_unplayable(media) == "the sound of audio track 2"
    assert why_unplayable(MediaFile.open(path, audio_track=1)) is None
    write_copy(media, tmp_path / "copy.mp4")
    assert heard_hz(tmp_path / "copy.mp4") == (500, [])
