"""A sound sink, and sinks with one fault each; the module of a made-up package."""

import json
import threading
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from avadclip import FrozenConfig, Sink


class Settings(FrozenConfig):
    path: Path


class Sound(Sink):
    settings = Settings

    def __init__(self, settings):
        self.path = settings.path

    def deliver(self, message, stopping):
        with self.path.open("a") as file:
            file.write(message.body + "\n")
        return True


class Careless(Sound):
    def deliver(self, message, stopping):
        try:
            return super().deliver(message, stopping)
        except OSError:
            return True


class Silent(Sound):
    def deliver(self, message, stopping):
        super().deliver(message, stopping)


class Stubborn(Sound):
    def deliver(self, message, stopping):
        while True:
            try:
                return super().deliver(message, stopping)
            except OSError:
                threading.Event().wait(0.05)


class WithoutEnds(Sound):
    def deliver(self, message, stopping):
        return json.loads(message.body)["type"] == "end" or super().deliver(message, stopping)


class LastFirst(Sound):
    """Keeps a message back until the next one of its event, which it writes first."""

    kept = None

    def deliver(self, message, stopping):
        if json.loads(message.body)["type"] == "new":
            self.kept = message
            return True
        super().deliver(message, stopping)
        return self.kept is None or super().deliver(self.kept, stopping)


class Choosy(Sound):
    def send(self, message):
        raise TypeError(f"what is a {type(message).__name__}?")


class LeavesThread(Sound):
    left: ClassVar[list[threading.Event]] = []  # for the test to end the threads

    def __init__(self, settings):
        super().__init__(settings)
        self.left.append(threading.Event())
        threading.Thread(target=self.left[-1].wait, name="forgotten").start()


class Lenient(FrozenConfig):
    model_config = ConfigDict(extra="ignore")
    path: Path


class TakesAnything(Sound):
    settings = Lenient


class OpensOnce(Sound):
    closed = False

    def deliver(self, message, stopping):
        if OpensOnce.closed:
            raise RuntimeError("closed")
        return super().deliver(message, stopping)

    def close(self):
        OpensOnce.closed = True


class CannotOpen(Sound):
    def __init__(self, settings):
        raise KeyError("token")


class NoDeliver(Sink):
    settings = Settings


class OddSettings(Sound):
    settings = dict
