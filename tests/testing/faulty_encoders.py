"""Sound encoders, and encoders with one fault each; the module of a made-up package."""

import numpy as np

from avadclip import Encoders
from avadclip.encoders.base import SoundTags, TaggedSound
from avadclip.errors import WeightsError
from avadclip.events import SoundRule


class Picture:
    dim = 3
    frame_offsets = (0, 8)
    frame_size = (16, 24)
    num_crops = 1
    snippets_per_batch = 2

    def __init__(self, name):
        self.name = name

    def prepare(self, frame):
        return frame

    def encode(self, frames):
        means = np.array([frame.mean(axis=(0, 1)) for frame in frames], np.float32)
        return means.reshape(1, -1, 2, 3).mean(axis=2)

    def identity(self):
        return {"name": self.name, "version": 1}


class Loudness:
    name = "loudness"
    dim = 1
    window_seconds = 0.5
    reads_once = True

    def encode_recording(self, read_windows):
        return np.concatenate([np.zeros((0, 1), np.float32), *map(self.listen(), read_windows())])

    def listen(self):
        return lambda windows: np.abs(windows).mean(axis=1, keepdims=True).astype(np.float32)

    def identity(self):
        return {"name": self.name, "version": 1}


class Tagger:
    name = "tagger"
    names = ("Bang", "Hum")
    window_seconds = 0.5
    default_sounds = (SoundRule("bang", ("Bang",), 0.5),)

    def tag(self, windows):
        loud = np.abs(windows).mean(axis=1, keepdims=True).astype(np.float16)
        indices = np.tile(np.array([[0, 1]], np.uint16), (len(windows), 1))
        return TaggedSound(np.zeros((len(windows), 1), np.float32), SoundTags(self.names, indices, loud * [[1, 0.5]]))

    def identity(self):
        return {"name": self.name, "version": 1}


def made(name, picture=Picture, sound=Loudness, tagger=None):
    def load(path, options):
        named = tagger() if tagger and options.sound else None
        return Encoders(name, picture(name), sound() if options.sound else None, None, named)

    return load


class DoublePrecision(Picture):
    def encode(self, frames):
        return super().encode(frames).astype(float)


class Unpadded(Picture):
    dim = 4


class Centred(Picture):
    def encode(self, frames):
        features = super().encode(frames)
        return features - features.mean(axis=1, keepdims=True)


class Drawn(Picture):
    def encode(self, frames):
        return super().encode(frames) + np.random.default_rng().normal(size=3).astype(np.float32)


class Overwriting(Picture):
    def encode(self, frames):
        features = super().encode(frames)
        for frame in frames:
            frame[:] = 0
        return features


class Blind(Picture):
    def encode(self, frames):
        return 0 * super().encode(frames)


class Undefined(Picture):
    def encode(self, frames):
        with np.errstate(all="ignore"):
            return super().encode(frames) / super().encode(frames)


class AnySize(Picture):
    frame_size = None


class OtherName(Picture):
    def identity(self):
        return {"name": "resnet", "version": 1}


class NewEveryTime(Picture):
    def identity(self):
        return {"name": self.name, "version": id(self)}


class Descending(Picture):
    frame_offsets = (8, 0)


class Incomplete:
    name = "incomplete"
    dim = 3


class ReadsTwice(Loudness):
    def encode_recording(self, read_windows):
        loudest = max((float(np.abs(windows).max()) for windows in read_windows()), default=1.0) or 1.0
        return super().encode_recording(read_windows) / np.float32(loudest)


class OfTheBatch(Loudness):
    def listen(self):
        hear = super().listen()
        return lambda windows: hear(windows) / np.abs(windows).max(initial=1e-9).astype(np.float32)


class NeedsWindows(Loudness):
    def encode_recording(self, read_windows):
        return np.concatenate(list(map(self.listen(), read_windows())))


class OneStream(Loudness):
    total = 0.0
    reads_once = False

    def encode_recording(self, read_windows):
        self.total = 0.0
        return super().encode_recording(read_windows)

    def listen(self):
        def hear(windows):
            self.total += float(np.abs(windows).sum())
            return np.full((len(windows), 1), self.total, np.float32)

        return hear


class WideTags(Tagger):
    def tag(self, windows):
        tagged = super().tag(windows)
        return tagged._replace(
            tags=SoundTags(self.names, tagged.tags.indices + np.uint16(5), tagged.tags.probabilities)
        )


class UnknownDefault(Tagger):
    default_sounds = (SoundRule("bang", ("Boom",), 0.5),)


def always_loud(path, options):
    return Encoders("always-loud", Picture("always-loud"), Loudness(), None)


def returns_none(path, options):
    return None


def raises(path, options):
    raise FileNotFoundError("no weights\nhere")


def lacks_weights(path, options):
    raise WeightsError("its weights are missing; run `get-them`")


sound, tagging = made("sound"), made("tagging", tagger=Tagger)
double, unpadded, centred = made("double", DoublePrecision), made("unpadded", Unpadded), made("centred", Centred)
drawn, overwriting, blind = made("drawn", Drawn), made("overwriting", Overwriting), made("blind", Blind)
undefined, any_size = made("undefined", Undefined), made("any_size", AnySize)
other_name, new_every_time = made("other_name", OtherName), made("new_every_time", NewEveryTime)
descending, incomplete = made("descending", Descending), made("incomplete", lambda name: Incomplete())
reads_twice, of_the_batch = made("reads_twice", sound=ReadsTwice), made("of_the_batch", sound=OfTheBatch)
needs_windows, one_stream = made("needs_windows", sound=NeedsWindows), made("one_stream", sound=OneStream)
wide_tags, unknown_default = made("wide_tags", tagger=WideTags), made("unknown_default", tagger=UnknownDefault)
