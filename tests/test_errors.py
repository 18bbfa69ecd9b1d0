from hypothesis import given
from hypothesis import strategies as st

from avadclip.errors import AvadclipError


@given(parts=st.lists(st.text()))
def test_a_message_is_one_line_whatever_a_file_put_into_it(parts: list[str]) -> None:
    message = str(AvadclipError("\u2028".join(parts)))
    assert len(message.splitlines()) <= 1


def test_the_end_of_an_endless_message_says_what_to_do() -> None:
    message = str(AvadclipError(f"a.csv:1: `time` is {'9' * 100_000}; needed a number of seconds"))
    assert message.startswith("a.csv:1: `time` is 999")
    assert message.endswith("; needed a number of seconds")
    assert len(message) < 1000
