"""Files as answers: made whole before the first byte is sent, so that nobody gets a part of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from tempfile import TemporaryFile
from typing import IO, Any

from flask import Response

from settlement.files import formats

_AT_ONCE = 64 * 1024


def described(*forms: str) -> dict[str, Any]:
    """The answer in the API's description: a file in one of `forms`."""
    content = {
        formats.MEDIA_TYPES[form].partition(";")[0]: {
            "schema": {"type": "object"} if form == "json" else {"type": "string", "format": "binary"}
        }
        for form in forms
    }
    return {"200": {"description": "The file.", "content": content}}


def download(make: Callable[[IO[bytes]], str], form: str) -> Response:
    """The file that `make` writes, which says what it is called."""
    out = TemporaryFile()  # noqa: SIM115 -- closed behind the last part that is sent
    try:
        name = make(out)
    except BaseException:
        out.close()
        raise
    size = out.tell()
    out.seek(0)
    answer = Response(_parts(out), content_type=formats.MEDIA_TYPES[form])
    answer.call_on_close(out.close)  # also where nobody reads it
    answer.headers["Content-Length"] = str(size)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _parts(out: IO[bytes]) -> Iterator[bytes]:
    with out:
        while part := out.read(_AT_ONCE):
            yield part
