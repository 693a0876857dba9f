"""What only reads can't write: every GET there is, by PostgreSQL's own word, and whatever goes through `reading()`."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from identity.scopes import MEMBER_SCOPES, SCOPES
from kit import ids
from kit.db import Tenant
from kit.http.services import serve
from tests.api.test_conventions import ROUTES
from tests.conftest import World
from tests.identity.sign_in_kit import Browser, Mailbox, member, staff
from tests.identity.test_pairwise import app_of
from tests.transactions import watched

# Who looks at a member is written down before anything is shown; what waits to be written of requests, before they are.
WRITE_FIRST = {"/v1/admin/members/…", "/v1/admin/members/…/explanation", "/v1/requests/…"}


def test_every_get_of_the_api_is_in_transactions_that_can_only_read(world: World, caller, admin) -> None:
    grocer, boss = caller("greengrocer"), admin()
    of_member = app_of(world, grocer, world.member())
    written, ended_in_all = set(), 0
    for route in (route for route in ROUTES if route.method == "GET"):
        asking = grocer if route.scope in SCOPES else of_member if route.scope in MEMBER_SCOPES else boss
        asking.get(route.path)  # with its first request a client keeps its version
        with watched() as ended:
            answer = asking.get(route.path)
        assert answer.status_code < 500, route.path
        ended_in_all += len(ended)
        if set(ended) - {"on"}:
            written.add(re.sub(r"(?<=/)(mbr|req)_\w+", "…", route.path))
    assert written == WRITE_FIRST
    assert ended_in_all > 30


def test_every_page_is_in_transactions_that_can_only_read(world: World, site: Flask, mailbox: Mailbox) -> None:
    partner = world.partner("greengrocer")
    browser = Browser(site)
    member(world, "ben@example.com")
    staff(world, "ann@example.com", partner.partner_id)
    browser.get("/oauth/jwks")  # the first to ask has the key made
    walked = 0
    for kind, email in (("member", "ben@example.com"), ("staff", "ann@example.com")):
        browser.sign_in(mailbox, kind, email)
    partner_id = ids.show(ids.PARTNER, partner.partner_id)
    for rule in site.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.rule.startswith("/v1"):
            continue
        for kind in ("member", "staff"):
            given = {"kind": kind, "code": "stale", "name": "layout.css", "partner_id": partner_id}
            path = site.url_map.bind("localhost").build(rule.endpoint, {name: given[name] for name in rule.arguments})
            with watched() as ended, browser.get(path) as answer:
                assert answer.status_code < 500, path
            assert set(ended) <= {"on"}, path
            walked += len(ended)
    assert walked > 20


WRITES = "DELETE FROM partners.fault_met"
LOCKS = "SELECT 1 FROM coalition.programme FOR UPDATE"


@pytest.mark.parametrize("way", ["reading", "reading_public", "asking"])
@pytest.mark.parametrize("statement", [WRITES, LOCKS])
@pytest.mark.parametrize("of_partner", [True, False])
def test_what_reads_can_neither_write_nor_lock(app: Flask, way: str, statement: str, of_partner: bool) -> None:
    svc = app.extensions["coalition"]
    with app.test_request_context("/"):
        if of_partner:
            serve(Tenant(ids.new()))
        with pytest.raises(InternalError) as refused, getattr(svc, way)() as session:
            session.execute(text(statement))
    assert isinstance(refused.value.orig, ReadOnlySqlTransaction), "a fault of ours, not a server that is away"
    with svc.database.trial() as session:
        session.execute(text(statement))
