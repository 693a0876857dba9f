"""Where to go after signing in: a path of ours and nothing else, so that nobody can be sent elsewhere from here."""

from __future__ import annotations

import re
import string
from urllib.parse import quote, unquote

from flask import current_app, request

from kit.errors import Invalid

LONGEST = 4_000
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # printable ASCII without the backslash, which browsers read as a slash
_SAFE_IN_QUERY = string.punctuation.replace("\\", "")


class MalformedDestination(Invalid):
    code = "malformed_destination"
    title = "Malformed destination"
    description = "The next page is a path of this service: it begins with one slash and holds only printable ASCII."
    remedy = "Open the page from a link of ours, or go to /sign-in/member or /sign-in/staff directly."


def checked(path: str) -> str:
    """`path` if it leads to a page of ours; raises MalformedDestination."""
    # Some proxies resolve escapes before they route, so what is escaped has to be harmless, too.
    plain = unquote(unquote(path.partition("?")[0]))
    if len(path) > LONGEST or not _PATH.fullmatch(path) or plain.startswith("//") or not plain.isprintable() \
            or "\\" in plain:  # fmt: skip
        raise MalformedDestination("the next page is not one of ours")
    return path


def of_this_request(otherwise: str) -> str:
    """The path that brings a visitor back to where they are now; `otherwise` where only a form can lead."""
    if not current_app.create_url_adapter(request).test(method="GET"):  # type: ignore[union-attr]
        return otherwise
    query = quote(request.query_string, safe=_SAFE_IN_QUERY)
    try:
        return checked(quote(request.path) + (f"?{query}" if query else ""))
    except MalformedDestination:
        return otherwise
