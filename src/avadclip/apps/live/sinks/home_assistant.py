"""Home Assistant's discovery messages: four entities per camera, which Home Assistant makes by itself."""

import json
from collections.abc import Callable, Iterable

SCORE_EXPIRES_SECONDS = 60  # a score that old is unknown: the camera is disconnected, or too slow for the model


def discovery_messages(prefix: str, cameras: Iterable[str], topic: Callable[..., str]) -> dict[str, str]:
    """Discovery payloads by topic.

    Args:
        prefix: of the watch's topics; part of the ids.
        cameras: their names.
        topic: makes a topic below the prefix of its parts.
    """
    announced = {}
    for camera in cameras:
        node = f"{prefix.replace('/', '-')}-{camera}"
        shared = {
            "availability_topic": topic("available"),
            "device": {"identifiers": [node], "name": camera, "manufacturer": "avadclip"},
        }
        for (component, name), entity in _entities(camera, topic).items():
            payload = {**entity, "unique_id": f"{node}-{name}", **shared}
            announced[f"homeassistant/{component}/{node}/{name}/config"] = json.dumps(payload)
    return announced


def _entities(camera: str, topic: Callable[..., str]) -> dict[tuple[str, str], dict[str, str | int]]:
    """By kind of entity and part of its id."""
    return {
        ("binary_sensor", "anomaly"): {
            "name": "Anomaly",
            "state_topic": topic(camera, "anomaly"),
            "device_class": "safety",
        },
        ("binary_sensor", "camera"): {
            "name": "Camera",
            "state_topic": topic(camera, "status"),
            "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
            "device_class": "connectivity",
        },
        ("sensor", "score"): {
            "name": "Score",
            "state_topic": topic(camera, "score"),
            "state_class": "measurement",
            "suggested_display_precision": 2,
            "expire_after": SCORE_EXPIRES_SECONDS,
            "icon": "mdi:gauge",
        },
        ("image", "picture"): {
            "name": "Last event",
            "image_topic": topic(camera, "picture"),
            "content_type": "image/jpeg",
        },
    }
