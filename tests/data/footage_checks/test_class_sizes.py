import pytest

from avadclip.data.footage_checks.class_sizes import check_class_sizes
from avadclip.data.footage_checks.videos import FootageVideo


def videos(split: str = "train", **sizes: int) -> list[FootageVideo]:
    return [
        FootageVideo(f"{split} {label} {number}", f"{label} {number}", split, (label,), None, True)
        for label, num in sizes.items()
        for number in range(num)
    ]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"normal": 300, "fighting": 20}, "20 anomalous videos stand against 300 normal ones"),
        ({"normal": 9, "fighting": 50, "riot": 40}, "9 normal videos stand against 90 anomalous ones"),
        ({"normal": 100, "fighting": 80, "riot": 9}, "of the anomalous videos `fighting` has 80, but `riot` 9"),
    ],
)
def test_a_rare_class_is_named_with_its_number(sizes: dict[str, int], words: str) -> None:
    warning = check_class_sizes(videos(**sizes))
    assert warning is not None
    assert warning.kind == "classes unbalanced"
    assert warning.text.startswith(words)


@pytest.mark.parametrize(
    "sizes",
    [{"normal": 100, "fighting": 100}, {"normal": 100, "fighting": 20}, {"normal": 90, "fighting": 50, "riot": 10}],
)
def test_up_to_five_times_is_balanced(sizes: dict[str, int]) -> None:
    assert check_class_sizes(videos(**sizes)) is None


def test_nothing_is_learned_from_test_videos() -> None:
    both = {"normal": 50, "fighting": 50}
    assert check_class_sizes([*videos(**both), *videos("test", normal=1000)]) is None
    assert check_class_sizes([*videos("test", **both), *videos(normal=60, fighting=2)]) is not None
