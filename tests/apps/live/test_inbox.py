import threading

from avadclip.apps.live.inbox import Inbox, Lost


def test_of_too_many_the_oldest_goes_and_its_frames_are_counted(make_snippet) -> None:
    inbox = Inbox()
    for index in range(5):
        inbox.put("yard", make_snippet(index), max_snippets=3)
    inbox.put("yard", Lost("gone", 1.0), max_snippets=3)
    inbox.put("gate", make_snippet(9), max_snippets=3)
    starts = [inbox.get(0) for _ in range(5)]
    assert [item[1].start for item in starts[:3]] == [make_snippet(i).start for i in (2, 3, 4)]
    assert starts[3] == ("yard", Lost("gone", 1.0))
    assert starts[4][0] == "gate"
    assert inbox.dropped_frames == {"yard": 4}  # two snippets of two frames
    assert inbox.get(0) is None


def test_get_waits_for_what_another_thread_brings(make_snippet) -> None:
    inbox = Inbox()
    thread = threading.Thread(target=lambda: inbox.put("yard", make_snippet(0), max_snippets=1))
    thread.start()
    assert inbox.get(30.0) is not None
    thread.join()
