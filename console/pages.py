"""Pages for people: one layout, one style sheet, strict headers, and errors that are pages too.

Templates lie in `templates/`, and extend `layout.html`; they get `csrf_token()` for their forms. What they load lies in
`assets/`. Nothing comes from another host, nothing is inline.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from flask import Blueprint, Flask, Response, redirect, request, send_from_directory

from console import cookies
from console.sessions import CSRF_FIELD, CrossSiteRequest, SignInNeeded, csrf_token
from kit import translation
from kit.errors import CoalitionError, Invalid
from kit.http import problems
from kit.http.problems import RouteNotFound, status_of
from kit.http.services import services
from kit.translation import marked

LONGEST_FIELD = 4_096
_HERE = Path(__file__).parent
_ASSETS = {path.name: sha256(path.read_bytes()).hexdigest()[:12] for path in sorted((_HERE / "assets").iterdir())}
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class MalformedForm(Invalid):
    code = "malformed_form"
    title = "Malformed form"
    description = (
        "The form lacks a field, has a field twice or an unknown one, or a field is too long or holds control "
        "characters."
    )
    remedy = "Go back, load the page again, and send its form with shorter text in the fields."


def page(template: str, *, title: str, status: int = 200, form_targets: Sequence[str] = (), **values: Any) -> Response:
    """The page `template` makes of `values`.

    `form_targets` are addresses that the answer to a form on it may redirect to, besides our own: Chromium applies the
    policy's form-action to such redirects, too.
    """
    response = Response(_templates.get_template(template).render(title=title, **values), status, mimetype="text/html")
    response.headers["Content-Language"] = translation.language()
    response.vary.add("Accept-Language")
    targets = " ".join(["'self'", *(source_of(target) for target in form_targets)])
    response.headers["Content-Security-Policy"] = _POLICY.format(targets=targets)
    response.headers.update(_HEADERS)
    return response


def source_of(address: str) -> str:
    """The source expression (CSP §2.3.1) for an absolute address: its origin; the scheme for an app's own."""
    parts = urlsplit(address)
    source = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    if not parts.scheme or not source.isascii() or any(c in source for c in " ;,'\"*@") or not source.isprintable():
        raise ValueError("form targets are absolute addresses without a user")
    return source


def see(location: str) -> Response:
    """Lead the browser to the page of ours at the path `location`, after a form or instead of a page."""
    response = redirect(request.script_root + location, HTTPStatus.SEE_OTHER, Response)
    response.headers.update(_HEADERS)
    return response  # type: ignore[return-value]


def form(*names: str) -> dict[str, str]:
    """The fields `names` of the form that was sent, each once and no others; raises MalformedForm."""
    fields = {name: request.form.getlist(name) for name in request.form if name != CSRF_FIELD}
    if set(fields) != set(names) or any(len(values) != 1 for values in fields.values()):
        raise MalformedForm(marked("the form does not have the fields of this page"))
    found = {name: values[0] for name, values in fields.items()}
    if any(len(value) > LONGEST_FIELD or not value.isprintable() for value in found.values()):
        raise MalformedForm("a field is too long or holds control characters")
    return found


def blueprint(name: str, import_name: str) -> Blueprint:
    """A blueprint whose errors leave as pages, or as problem documents where JSON was sent."""
    made = Blueprint(name, import_name)
    made.register_error_handler(CoalitionError, show_error)
    return made


def show_error(error: CoalitionError) -> Response:
    """`error` as a page; who has to sign in is led to where they can."""
    if request.is_json:  # a script of ours, which shows what it says
        return problems.respond(type(error)(told(error), **error.fields))
    if isinstance(error, SignInNeeded):
        return see(str(error.fields["location"]))
    response = page(
        "error.html",
        title=translation.gettext(error.title),
        status=status_of(type(error)),
        wrong=told(error),
        remedy=translation.gettext(error.remedy),
        code=error.code,
    )
    if "retry_after_s" in error.fields:
        response.headers["Retry-After"] = str(error.fields["retry_after_s"])
    return response


def told(error: CoalitionError) -> str:
    """What is wrong, in the reader's language: the sentence with its facts, or else what the code means."""
    return translation.gettext(error.detail if translation.has(error.detail) else error.description)


def install(app: Flask) -> None:
    """Serve what pages load in `app`, write their cookies, and lead visitors who have to sign in."""
    cookies.install(app)
    app.register_error_handler(SignInNeeded, show_error)
    app.register_error_handler(CrossSiteRequest, show_error)
    routes = Blueprint("pages", __name__)

    @routes.get("/pages/<name>")
    def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise RouteNotFound("no such asset")
        response = send_from_directory(_HERE / "assets", name, max_age=86_400)
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    app.register_blueprint(routes)


def _asset(name: str) -> str:
    # The address changes with the content, so that caches may keep it.
    return f"{_root()}/pages/{name}?v={_ASSETS[name]}"


def _root() -> str:
    # What stands before every path of ours: nothing, or where we are mounted. Paths in `next` come without it.
    return request.script_root


def _in_sandbox() -> bool:
    return services().settings.is_sandbox


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    extensions=["jinja2.ext.i18n"],
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(csrf_token=csrf_token, asset=_asset, root=_root, in_sandbox=_in_sandbox,
                          language=translation.language)  # fmt: skip
_templates.filters.update(number=translation.number, day=translation.day, marked_up=problems.marked_up)
_templates.install_gettext_callables(  # type: ignore[attr-defined]
    translation.gettext, translation.unfilled_ngettext, newstyle=True
)
