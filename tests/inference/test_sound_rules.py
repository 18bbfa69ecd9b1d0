import pytest

from avadclip.errors import ConfigError
from avadclip.events import SoundRule
from avadclip.inference.named_sounds import UNNAMED_THRESHOLD, parse_sound_rules

NAMES = ("Glass", "Shatter", "Gunshot, gunfire", "Speech")
DEFAULTS = (SoundRule("glass", ("Glass", "Shatter"), 0.5),)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("glass", DEFAULTS[0]),
        ("Glass", DEFAULTS[0]),  # the label comes before the tagger's own name
        ("glass=0.25", SoundRule("glass", ("Glass", "Shatter"), 0.25)),
        ("Gunshot, gunfire = 0.25", SoundRule("gunshot", ("Gunshot, gunfire",), 0.25)),
        ("gun", SoundRule("gunshot", ("Gunshot, gunfire",), UNNAMED_THRESHOLD)),
    ],
)
def test_a_sound_is_a_label_or_a_name_or_its_beginning(text: str, rule: SoundRule) -> None:
    assert parse_sound_rules([text], NAMES, DEFAULTS) == (rule,)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["glas=0.5", "GLASS"], "'glass' is given twice"),
        (["s"], "begins the names of several sounds"),
        (["shot"], "there is no sound 'shot'; the nearest names are 'Gunshot, gunfire'"),
        (["glass=loud"], "the threshold 'loud'"),
        (["glass=2"], "the threshold of the sound 'glass' is 2.0"),
        ([""], "there is no sound ''"),
    ],
)
def test_other_sounds_are_refused(wanted: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_sound_rules(wanted, NAMES, DEFAULTS)
    assert said in str(refused.value)
