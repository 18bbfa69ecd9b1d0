from dataclasses import astuple

import pytest

from avadclip.archive.cluster import Cluster
from avadclip.errors import ConfigError


@pytest.mark.parametrize(
    ("num_workers", "device", "is_own", "expected"),
    [
        (None, "cpu", True, (8, 1, 0.0)),
        (2, "cpu", True, (2, 4, 0.0)),
        (16, "cpu", True, (16, 1, 0.0)),
        (2, "cpu", False, (2, 1, 0.0)),
        (None, "cuda", False, (2, 1, 1.0)),
        (8, "cuda:0", False, (8, 1, 0.25)),
    ],
)
def test_workers_share_the_cores_and_cards_there_are(
    num_workers: int | None, device: str, is_own: bool, expected: tuple
) -> None:
    assert astuple(Cluster(None, 8, 2, is_own).share(num_workers, device)) == expected


def test_a_gpu_that_is_not_there_is_one_error() -> None:
    with pytest.raises(ConfigError, match="Ray finds none"):
        Cluster(None, 8, 0, is_own=False).share(None, "cuda")
