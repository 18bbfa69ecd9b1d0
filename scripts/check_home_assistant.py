"""Validate the MQTT discovery messages of `avadclip watch` by Home Assistant's own schemas.

    pip install homeassistant paho-mqtt    # in an environment of its own: it pins other versions of many libraries
    PYTHONPATH=src python scripts/check_home_assistant.py

Home Assistant expands a message's names and checks it by the platform's DISCOVERY_SCHEMA; so does this script.
"""

import json
from importlib import import_module
from importlib.metadata import version

from avadclip.apps.live.sinks.home_assistant import discovery_messages


def main() -> None:
    """Print one line per message; an invalid one is an error."""
    messages = discovery_messages("site/avadclip", ["yard"], lambda *parts: "/".join(("site/avadclip", *parts)))
    for topic, payload in messages.items():
        component = topic.split("/")[1]
        schema = import_module(f"homeassistant.components.mqtt.{component}").DISCOVERY_SCHEMA
        schema(json.loads(payload))
        print(f"valid: {topic}")
    print(f"{len(messages)} messages, homeassistant {version('homeassistant')}")


if __name__ == "__main__":
    main()
