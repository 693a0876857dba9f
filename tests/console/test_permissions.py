"""Who of a partner's staff may do what: every page of a partner asks, and answers each role as the one table says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response

from identity import permissions
from identity.permissions import Permission
from kit import ids
from partners import staff
from tests.conftest import World, act, active_partner
from tests.identity.sign_in_kit import Browser, Mailbox
from tests.service import shut
from wsgi import create_app

PERMISSIONS = [each for each in vars(permissions).values() if isinstance(each, Permission)]


def of_partners(app: Flask) -> Iterator[tuple[str, str, Any]]:
    """The pages that belong to partners' staff: method, path with ids filled in, and view."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if not view.__module__.startswith("console.partner."):
            continue
        values = {name: str(ids.new()) for name in rule.arguments}
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
            yield method, path, view


def faults(app: Flask) -> list[str]:
    return [f"{method} {path}" for method, path, view in of_partners(app) if permission_of(view) not in PERMISSIONS]


def permission_of(view: Any) -> Permission | None:
    return getattr(view, "permission", None)


def test_every_page_asks_for_a_permission_and_every_permission_is_asked_for(app: Flask) -> None:
    assert faults(app) == []
    assert {permission_of(view) for _, _, view in of_partners(app)} == set(PERMISSIONS)
    assert all(permission.roles <= set(staff.ROLES) and permission.roles for permission in PERMISSIONS)


def test_a_page_that_forgets_to_ask_is_found(world: World) -> None:
    def forgetful() -> Response:
        return Response("everything")

    forgetful.__module__ = "console.partner.forgetful"
    app = create_app(world.settings)
    app.add_url_rule("/everything", view_func=forgetful)
    assert faults(app) == ["GET /everything"]
    shut(app)


@pytest.mark.parametrize("role", staff.ROLES)
def test_each_role_may_do_what_the_table_says_and_nothing_else(
    world: World, site: Flask, browser: Browser, mailbox: Mailbox, role: str
) -> None:
    email = f"{role}@greengrocer.example"
    with world.transaction() as session:
        partner = active_partner(session, "greengrocer")
        staff.add(session, act(), partner_id=partner.partner_id, email=email, name=role.title(), role=role)
    browser.sign_in(mailbox, "staff", email)
    asked = list(of_partners(site))
    assert len(asked) >= 8
    for method, path, view in asked:
        answer = browser.get(path) if method == "GET" else browser.post(path, {}, page="/sign-out")
        refused = answer.status_code == 403 and "role_not_allowed" in answer.text
        assert refused == (role not in permission_of(view).roles), (role, method, path, answer.status_code)
