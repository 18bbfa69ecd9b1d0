import threading

import pytest

from avadclip.apps.live.inbox import Inbox, Lost


def take_all(inbox):
    return list(iter(lambda: inbox.get(0), None))


def test_of_too_many_the_oldest_goes_and_is_counted(make_snippet) -> None:
    inbox = Inbox()
    for index in range(5):
        inbox.put("yard", make_snippet(index), max_snippets=3)
    inbox.put("yard", Lost("gone", 1.0), max_snippets=3)
    *snippets, last = take_all(inbox)
    assert [item[1].start for item in snippets] == [make_snippet(i).start for i in (2, 3, 4)]
    assert last == ("yard", Lost("gone", 1.0))
    assert inbox.dropped_frames == {"yard": 4}  # two snippets of two frames
    assert inbox.dropped_seconds == {"yard": pytest.approx(2 * 2 / 3)}


def test_cameras_are_served_in_turn_and_each_in_order(make_snippet) -> None:
    inbox = Inbox()
    for camera, count in {"yard": 4, "gate": 1, "door": 2}.items():
        for index in range(count):
            inbox.put(camera, make_snippet(index), max_snippets=9)
    taken = take_all(inbox)
    assert [camera for camera, _ in taken] == ["yard", "gate", "door", "yard", "door", "yard", "yard"]
    assert [s.start for camera, s in taken if camera == "yard"] == [make_snippet(i).start for i in range(4)]


def test_a_scorer_that_is_too_slow_drops_as_much_of_every_camera(make_snippet) -> None:
    """Eight cameras, and time for three snippets out of eight."""
    inbox, cameras = Inbox(), [f"camera {i}" for i in range(8)]
    taken = []
    for index in range(90):
        for number, camera in enumerate(cameras):
            inbox.put(camera, make_snippet(index), max_snippets=8)
            if number in (2, 5, 7):
                taken.append(inbox.get(0)[0])
    counts = [taken.count(camera) for camera in cameras]
    assert max(counts) - min(counts) <= 2


def test_get_waits_for_what_another_thread_brings(make_snippet) -> None:
    inbox = Inbox()
    thread = threading.Thread(target=lambda: inbox.put("yard", make_snippet(0), max_snippets=1))
    thread.start()
    assert inbox.get(30.0) is not None
    thread.join()
