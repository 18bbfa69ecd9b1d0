import errno
import socket
from functools import partial
from pathlib import Path

import pytest

from avadclip.encoders.downloads import notice, transfer
from avadclip.encoders.downloads.cache import cache_folder, check_record, check_sha256, file_sha256, read_records
from avadclip.encoders.downloads.transfer import fetch, read_page
from avadclip.errors import WeightsError

pytestmark = pytest.mark.usefixtures("empty_caches")

CONTENT = bytes(range(256)) * 400


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def refusal(url: str, target: Path, **options: object) -> str:
    """What is said; nothing that looks finished may be left behind."""
    with pytest.raises(WeightsError) as refused:
        fetch(url, target, **{"max_bytes": len(CONTENT), **options})
    assert not target.exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_download_is_whole_and_leaves_nothing_else(loopback, answer, tmp_path):
    loopback.answers["/file"] = answer(CONTENT)
    fetch(f"{loopback.url}/file", tmp_path / "new" / "file", max_bytes=len(CONTENT))
    assert (tmp_path / "new" / "file").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_an_interrupted_download_transfers_only_the_rest(loopback, answer, tmp_path):
    loopback.answers["/file"] = answer(CONTENT, break_after=30_000)
    assert "the connection to 127.0.0.1 broke" in refusal(f"{loopback.url}/file", tmp_path / "file")
    fetch(f"{loopback.url}/file", tmp_path / "file", max_bytes=len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert loopback.asked == [("/file", None, 30_000), ("/file", "bytes=30000-", len(CONTENT) - 30_000)]


@pytest.mark.parametrize("etag", ['"2"', 'W/"1"', ""])
def test_a_download_starts_again_where_the_file_may_have_changed(loopback, answer, tmp_path, etag):
    loopback.answers["/file"] = answer(CONTENT[::-1], break_after=30_000, etag='"1"' if etag == '"2"' else etag)
    refusal(f"{loopback.url}/file", tmp_path / "file")
    loopback.answers["/file"] = answer(CONTENT, etag=etag)
    fetch(f"{loopback.url}/file", tmp_path / "file", max_bytes=len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_another_part_than_the_rest_is_refused(loopback, answer, tmp_path):
    loopback.answers["/file"] = answer(CONTENT, break_after=30_000)
    refusal(f"{loopback.url}/file", tmp_path / "file")
    loopback.answers["/file"].headers["Content-Range"] = "bytes 7-9/10"
    assert "another part" in refusal(f"{loopback.url}/file", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_is_removed(loopback, answer, tmp_path):
    loopback.answers["/file"] = answer(CONTENT)
    message = refusal(f"{loopback.url}/file", tmp_path / "file", check=partial(check_sha256, needed="0" * 64))
    assert f"needed {'0' * 64}" in message
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_hash_is_recorded_and_compared_later(loopback, answer, tmp_path):
    url, target = f"{loopback.url}/file", tmp_path / "file"
    record = partial(check_record, name="file", url=url)
    loopback.answers["/file"] = answer(CONTENT)
    fetch(url, target, max_bytes=len(CONTENT), check=record)
    assert read_records()["file"].model_dump() == {"sha256": file_sha256(target), "url": url, "bytes": len(CONTENT)}
    fetch(url, target, max_bytes=len(CONTENT), check=record)
    target.unlink()
    loopback.answers["/file"] = answer(CONTENT[1:])
    assert "as in the first download" in refusal(url, target, check=record)
    (cache_folder() / "downloads.json").write_text("{")
    assert "downloads.json is damaged; remove it" in refusal(url, target, check=record)


def test_a_file_that_is_too_large_is_refused(loopback, answer, tmp_path):
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    loopback.answers["/file"] = answer(CONTENT)
    loopback.answers["/chunked"] = answer(b"7d0\r\n" + CONTENT[:2000] + b"\r\n0\r\n\r\n", headers=chunked)
    for name in ("file", "chunked"):
        assert "needed at most 1000" in refusal(f"{loopback.url}/{name}", tmp_path / "file", max_bytes=1000)
        assert list(tmp_path.iterdir()) == []
    fetch(f"{loopback.url}/chunked", tmp_path / "file", max_bytes=2000)
    assert (tmp_path / "file").read_bytes() == CONTENT[:2000]


def test_an_end_that_cannot_be_told_from_an_interruption_is_refused(loopback, answer, tmp_path):
    loopback.answers["/file"] = answer(CONTENT, headers={"Content-Length": None})
    assert "127.0.0.1 does not state the size" in refusal(f"{loopback.url}/file", tmp_path / "file")


def test_a_web_page_is_no_file(loopback, answer, tmp_path):
    loopback.answers["/file"] = answer(b"<html>log in</html>", kind="text/html; charset=utf-8")
    assert "127.0.0.1 answered with a web page, needed a file" in refusal(f"{loopback.url}/file", tmp_path / "file")
    assert "status 404" in refusal(f"{loopback.url}/nothing", tmp_path / "file")


def test_redirects_lead_to_https_or_stay_on_this_machine(loopback, answer, tmp_path):
    loopback.answers["/latest"] = answer(location="/file")
    loopback.answers["/file"] = answer(CONTENT)
    fetch(f"{loopback.url}/latest", tmp_path / "there", max_bytes=len(CONTENT))
    loopback.answers["/latest"] = answer(location="http://example.org/file")
    assert "example.org is addressed by http, needed https" in refusal(f"{loopback.url}/latest", tmp_path / "file")
    loopback.answers["/latest"] = answer(location="/latest")
    assert "redirects more than 5 times" in refusal(f"{loopback.url}/latest", tmp_path / "file")


def test_without_a_network_the_host_is_named_and_no_password(tmp_path):
    message = refusal(f"http://me:secret@127.0.0.1:{closed_port()}/file", tmp_path / "file")
    assert message.startswith("127.0.0.1 cannot be reached (")
    assert "secret" not in message


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_more_is_said_in_one_line(loopback, answer, tmp_path, monkeypatch, code):
    def full(_: int) -> None:
        raise OSError(code, "No space left on device")

    loopback.answers["/file"] = answer(CONTENT)
    monkeypatch.setattr(transfer.os, "fsync", full)
    message = refusal(f"{loopback.url}/file", tmp_path / "file")
    assert message == f"{tmp_path / 'file.partial'} cannot be written (No space left on device)"
    assert (tmp_path / "file.partial").exists() == (code != errno.ENOSPC)


def test_progress_is_given_in_bytes(loopback, answer, tmp_path, monkeypatch):
    from contextlib import contextmanager

    shown: list[object] = []

    @contextmanager
    def show(name, num_bytes):
        shown.append((name, num_bytes))
        yield shown.append

    monkeypatch.setattr(notice, "show_progress", show)
    loopback.answers["/file"] = answer(CONTENT)
    fetch(f"{loopback.url}/file", tmp_path / "file", max_bytes=len(CONTENT))
    assert shown[0] == ("file", len(CONTENT))
    assert shown[-1] == len(CONTENT)


def test_a_page_has_a_limit_and_a_file_is_no_page(loopback, answer, monkeypatch):
    loopback.answers["/page"] = answer(b"<html>", kind="text/html")
    assert read_page(f"{loopback.url}/page") == (f"{loopback.url}/page", "<html>")
    loopback.answers["/file"] = answer(CONTENT)
    assert read_page(f"{loopback.url}/file") is None
    monkeypatch.setattr(transfer, "MAX_PAGE_BYTES", 3)
    with pytest.raises(WeightsError, match="is larger than"):
        read_page(f"{loopback.url}/page")
