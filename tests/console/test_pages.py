"""Pages: their headers, what they load, and errors that are pages too."""

from __future__ import annotations

import re

import pytest

from console import pages
from tests.identity.sign_in_kit import HTTPS

ADDRESSES = [
    "/sign-in/member", "/sign-in/staff", "/sign-in/member/code", "/sign-in/staff/done", "/sign-out",
    "/sign-in/member?next=//evil.example",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_is_locked_down(http, address) -> None:
    answer = http.get(address, base_url=HTTPS)
    assert answer.mimetype == "text/html"
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    expected = {
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: answer.headers[name] for name in expected} == expected


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_nothing_inline_nothing_from_elsewhere_and_a_label_for_every_field(http, address) -> None:
    page = http.get(address, base_url=HTTPS).text
    assert '<html lang="en">' in page
    assert page.count("<h1>") == 1
    assert not re.search(r"<style|\son\w+=|\sstyle=|javascript:", page)
    assert not re.search(r'(?:src|href|action)="(?!/)', page)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    fields = re.findall(r'<input id="([^"]+)"', page)
    assert [name for name in fields if f'<label for="{name}"' not in page] == []


def test_what_pages_load_is_there_and_may_be_kept(http) -> None:
    page = http.get("/sign-in/member", base_url=HTTPS).text
    for address in re.findall(r'(?:src|href)="(/pages/[^"]+)"', page):
        with http.get(address) as answer:
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=86400")
    with http.get("/pages/passkeys.js") as answer:
        assert "javascript" in answer.mimetype
    assert http.get("/pages/layout.html").status_code == 404
    assert http.get("/pages/..%2fpages.py").status_code == 404


def test_a_page_may_send_its_form_on_to_a_client(app) -> None:
    with app.test_request_context("/"):
        made = pages.page(
            "done.html", title="x", next="/", form_targets=["https://app.example:8443/cb?x=1", "com.example.app:/cb"]
        )
    assert "form-action 'self' https://app.example:8443 com.example.app:;" in made.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "address", ["/cb", "", "https://a b/", "https://a;script-src *", "https://*.example", "https://u@h/", "https://ü/"]
)
def test_a_target_that_would_change_the_policy_is_refused(address) -> None:
    with pytest.raises(ValueError, match="form targets"):
        pages.source_of(address)


def test_what_a_page_shows_is_escaped(app) -> None:
    with app.test_request_context("/"):
        assert "<b>" not in pages.page("done.html", title="<b>", next='"><b>').get_data(as_text=True)


def test_an_error_of_a_page_is_a_page_and_to_a_program_a_problem(http) -> None:
    page = http.post("/sign-in/member", base_url=HTTPS)
    assert (page.status_code, page.mimetype) == (403, "text/html")
    assert "use https" in page.text
    problem = http.post("/sign-in/member/passkey/options", json={}, base_url=HTTPS)
    assert (problem.status_code, problem.json["code"]) == (403, "cross_site_request")
