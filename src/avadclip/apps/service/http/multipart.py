"""Uploads as forms, for example by `curl -F file=@lobby.mp4`: the one file of a form, passed on while it arrives."""

from collections.abc import AsyncIterator
from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from avadclip.apps.service.problems import RefusedError

FORM = "multipart/form-data"
MAX_FIELD_BYTES = 64 * 1024  # of all other fields together, which are ignored


class FormFile:
    """The file in the body of a request.

    Args:
        content_type: header of the request.
        body: pieces of the body.

    Raises:
        RefusedError: here and later, 422 for a form that is damaged or does not have exactly one file; 413 for one
            with more than MAX_FIELD_BYTES beside it.
    """

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._name: str | None = None
        self._pieces: list[bytes] = []
        self._num_field_bytes = 0
        self._is_in_file = self._is_complete = False
        self._header, self._value, self._disposition = b"", b"", b""
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_header,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_data,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _damaged(error) from error

    async def name(self) -> str:
        """Read up to the file; return its name."""
        while self._name is None and await self._read():
            pass
        if self._name is None:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "the form has no file; send `file=@lobby.mp4`")
        return self._name

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's content."""
        await self.name()
        while True:
            yield b"".join(self._pieces)
            self._pieces.clear()
            if not await self._read():
                return

    async def _read(self) -> bool:
        """Parse the next piece of the body; False if the form is complete."""
        if self._is_complete:
            return False
        try:
            piece = await anext(self._body, None)
            self._parser.write(piece or b"")
        except FormParserError as error:
            raise _damaged(error) from error
        if piece is None:
            raise _damaged("it ends early")
        return True

    def _begin_part(self) -> None:
        self._disposition = b""

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _begin_data(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"filename", b"")
        self._is_in_file = bool(name)
        if name and self._name is not None:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "the form has several files; send one per request")
        if name:
            self._name = name.decode("utf-8", "replace")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_file:
            self._pieces.append(data[start:end])
            return
        self._num_field_bytes += end - start
        if self._num_field_bytes > MAX_FIELD_BYTES:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the form has more than {MAX_FIELD_BYTES} bytes beside the file; send the file alone",
            )

    def _end(self) -> None:
        self._is_complete = True


def _damaged(reason: object) -> RefusedError:
    return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the form is damaged ({reason}); send the file as the body")
