"""Pages and mails speak the reader's language, and no text of theirs is forgotten."""

from __future__ import annotations

import re
from email.header import decode_header, make_header
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from flask import Flask

from console import pages
from console.app import CATALOGUES
from kit import errors, translation
from kit.http.problems import marked_up
from tests.conftest import World
from tests.identity.sign_in_kit import Browser, Mailbox, staff
from tests.pin_messages import ROOT, codes_of_the_service, updated

ANN = "ann@greengrocer.example"
FILES = sorted(CATALOGUES.glob("*.po"))
TEMPLATES = sorted((ROOT / "console" / "templates").glob("*.html"))
PLACES = re.compile(r"%\(\w+\)s|</?\w+[^>]*>")
LITERAL = re.compile(r'(_\()?"([^"]*)"')
SENTENCE = re.compile(r"[A-Za-z']+(?: [A-Za-z']+){2,}")
TITLES = re.compile(r"pages\.page\([^)]*?title=([^,]*)")


def name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_catalogue_has_todays_texts(path: Path) -> None:
    assert path.read_bytes() == updated(path), "bring it up to date: .venv/bin/python -m tests.pin_messages"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_untranslated_and_what_stands_in_a_text_stands_in_its_translation(path: Path) -> None:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.stem)
    lacking, differing = [], []
    for message in catalogue:
        if not message.id:
            continue
        said = message.id if isinstance(message.id, tuple) else (message.id,)
        told = message.string if isinstance(message.string, tuple) else (message.string,)
        lacking += [said for each in told if not each]
        # Forms of a plural may leave the number out; nothing may be made up.
        wanted = sorted(PLACES.findall(said[-1]))
        differing += [each for each in told if each and sorted(PLACES.findall(each)) != wanted]
    assert len(catalogue) > 100
    assert lacking == []
    assert differing == []
    assert not any(message.fuzzy for message in catalogue if message.id)


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_mark_what_is_read(path: Path) -> None:
    assert unmarked(path.read_text("utf-8")) == ""


def unmarked(template: str) -> str:
    """What a template says in words of its own."""
    template = re.sub(r"{%-? trans\b.*?endtrans -?%}", "", template, flags=re.S)
    spoken = re.findall(r'(?:placeholder|aria-label|alt|title|data-reload|data-cancelled)="([^"]*)"', template)
    outside = re.sub(r"{%.*?%}|{{.*?}}", "", template, flags=re.S)
    outside = re.sub(r"<[^>]*>", "", outside) + " ".join(re.sub(r"{%.*?%}|{{.*?}}", "", each) for each in spoken)
    literals = [each for code in re.findall(r"{{(.*?)}}", template, flags=re.S) for each in LITERAL.findall(code)]
    spoken_there = [text for mark, text in literals if not mark and re.search(r"[A-Za-z]+ [A-Za-z]", text)]
    return " ".join(re.findall(r"[A-Za-z]{2,}", outside) + spoken_there)


def test_a_text_that_is_not_marked_is_found() -> None:
    for forgotten in ("<p>Hello</p>", '<input placeholder="Your name">', '{{ "two words" if x else _("b") }}'):
        assert unmarked(forgotten), forgotten
    assert unmarked('<p class="aside">{% trans %}Hello{% endtrans %} {{ _("two words") }}</p>') == ""


def test_pages_take_their_titles_from_the_catalogue() -> None:
    calls = [call for path in (ROOT / "console").rglob("*.py") for call in TITLES.findall(path.read_text("utf-8"))]
    assert len(calls) > 8
    assert [call for call in calls if '"' in call and "_(" not in call] == []


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("ru", "ru"), ("ru-RU,ru;q=0.9,en;q=0.5", "ru"), ("de,ru;q=0.4", "ru"), ("de", "en"), ("", "en"), ("en-GB", "en")],
)
def test_a_page_is_in_the_language_the_browser_asks_for(site, asked: str, spoken: str) -> None:
    answer = site.test_client().get("/sign-in/member", headers={"Accept-Language": asked} if asked else {})
    assert f'<html lang="{spoken}">' in answer.text
    assert answer.headers["Content-Language"] == spoken
    assert "Accept-Language" in answer.headers["Vary"]
    assert ("Адрес вашей эл. почты" in answer.text) == (spoken == "ru")


def test_mail_and_errors_are_in_the_readers_language_too(world: World, browser: Browser, mailbox: Mailbox) -> None:
    staff(world, ANN)
    russian = {"headers": {"Accept-Language": "ru"}}
    answer = browser.post("/sign-in/staff", {"email": "nobody", "next": ""}, **russian)
    assert (answer.status_code, "address" in answer.text) == (422, False), answer.text
    browser.post("/sign-in/staff", {"email": ANN, "next": ""}, **russian)
    (message,) = mailbox.wait(1)
    assert "Ваш код для входа" in message.get_payload(decode=True).decode()
    assert str(make_header(decode_header(message["Subject"]))) == "Ваш код для входа"
    refused = browser.post("/sign-in/staff/code", {"code": "1", "next": ""}, **russian)
    assert "Код неверен" in refused.text


def english(page: str) -> list[str]:
    """The English sentences on a page; names of fields, commands and addresses may be in them."""
    return SENTENCE.findall(re.sub(r"<code>.*?</code>|<[^>]*>", "\n", page, flags=re.S))


def test_an_english_sentence_on_a_page_is_found() -> None:
    assert english("<p>Ошибка: the PIN is wrong</p>") == ["the PIN is wrong"]
    assert english('<a href="/credentials or so on">Отправьте <code>coalition member code</code> GET /v1</a>') == []


def test_whatever_a_page_meets_a_russian_reader_is_told_in_russian(app: Flask) -> None:
    for code in set(codes_of_the_service()) - {"sign_in_needed"}:  # which leads to a page of its own
        kind = errors.catalogue()[code]
        with app.test_request_context("/"):
            translation.speak(["ru"])
            try:
                page = pages.show_error(kind("this is a sentence with 7 facts")).get_data(as_text=True)
                told = [marked_up(translation.gettext(said)) for said in (kind.title, kind.description, kind.remedy)]
            finally:
                translation.speak([])
        assert [said for said in told if said not in page] == [], code
        assert english(page) == [], code


@pytest.mark.parametrize(
    ("method", "address", "code"),
    [
        ("GET", "/sign-in/member?next=//evil.example", "malformed_destination"),
        ("GET", "/oauth/authorize?client_id=nobody", "app_unknown"),
        ("POST", "/sign-in/staff", "cross_site_request"),
        ("POST", "/sign-out", "cross_site_request"),
    ],
)
def test_an_error_page_says_in_russian_what_to_do(site, method: str, address: str, code: str) -> None:
    answer = site.test_client().open(address, method=method, headers={"Accept-Language": "ru"})
    assert (f"/problems/{code}" in answer.text, english(answer.text)) == (True, [])


def test_what_is_wrong_with_a_form_is_said_in_russian(world: World, browser: Browser) -> None:
    staff(world, ANN)
    russian = {"headers": {"Accept-Language": "ru"}}
    for _ in range(10):
        answer = browser.post("/sign-in/staff", {"email": ANN, "next": ""}, **russian)
    assert (answer.status_code, english(answer.text)) == (429, [])
    answer = browser.post("/sign-in/staff/code", {"code": "1" * 5_000, "next": ""}, **russian)
    assert (answer.status_code, english(answer.text)) == (422, [])
    told = browser.send_json("/sign-in/member/passkey", {"credential": {}, "next": ""}, token="", **russian["headers"])
    assert (told.mimetype, english(told.json["detail"])) == ("application/problem+json", []), told.text


def test_numbers_and_days_are_written_as_the_language_does() -> None:
    translation.use(CATALOGUES)
    translation.speak(["ru"])
    try:
        assert translation.number(1234567) == "1\xa0234\xa0567"
        assert translation.ngettext("It is valid for %(n)s minute. Enter it where you asked for it.",
                                    "It is valid for %(n)s minutes. Enter it where you asked for it.", 22) == (
            "Он действует 22 минуты. Введите его там, где вы его запросили.")  # fmt: skip
    finally:
        translation.speak([])
