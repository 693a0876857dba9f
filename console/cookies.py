"""Our cookies: `__Host-`, so that no other host or plain-text answer can set them; HttpOnly, SameSite=Lax.

Browsers keep them over https only. On http://localhost Firefox and recent Chromium keep them too, Safari does not.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from flask import Flask, Response, request

from console.context import of_request
from identity.sign_in.people import Kind

# Names the browser before anybody has signed in: codes, challenges and the tokens of forms hang on it.
BROWSER = "__Host-coalition-browser"
OF_KIND: dict[Kind, str] = {"member": "__Host-coalition-member", "staff": "__Host-coalition-staff"}
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


def get(name: str) -> str | None:
    """The cookie `name` as this request brought it or has changed it, or None."""
    changed = of_request.get().new_cookies
    value = changed[name][0] if name in changed else request.cookies.get(_here(name), "")
    return value if _VALUE.fullmatch(value) else None


def put(name: str, value: str, *, lifetime: timedelta | None = None) -> None:
    """Let this answer set the cookie; without `lifetime` it goes when the browser is closed."""
    of_request.change(new_cookies={**of_request.get().new_cookies, name: (value, lifetime)})


def drop(name: str) -> None:
    """Let this answer remove the cookie."""
    put(name, "", lifetime=timedelta(0))


def browser() -> str:
    """What this browser is known by; a new name when it has none yet."""
    return get(BROWSER) or rename_browser()


def rename_browser() -> str:
    """Give this browser a new name, so that nothing from before it signed in counts any more."""
    put(BROWSER, secrets.token_urlsafe(32))
    return str(get(BROWSER))


def install(app: Flask) -> None:
    """Let the answers of `app` carry the cookies that were put."""
    app.after_request(_write)


def _write(response: Response) -> Response:
    for name, (value, lifetime) in of_request.get().new_cookies.items():
        response.set_cookie(_here(name), value, max_age=lifetime, path="/", secure=True, httponly=True, samesite="Lax")
    return response


def _here(name: str) -> str:
    # `__Host-` cookies belong to all of a host, so what is served below a path of it has names of its own.
    return name + request.script_root.replace("/", "-")
