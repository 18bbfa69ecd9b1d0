"""Events nobody found. Tests import this module by its name; conftest.py puts its folder on the path."""

from typing import Any

from avadclip.apps.service.schemas import StoredLiveEvent


def make_live_event(number: int = 0, **changes: Any) -> StoredLiveEvent:
    values = {"id": "yard-1000", "number": number, "source": "yard", "label": "fighting", "score": 0.7, "start": 1.0}
    values |= {"end": None, "is_open": True, "note": None, "severity": "detection", "modality": "visual"}
    return StoredLiveEvent.model_validate(values | {"model": "m", "threshold": 0.5, "sound_gain": None} | changes)
