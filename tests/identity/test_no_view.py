"""Whatever forgets to say who sees a member shows none: routes, jobs and commands are planted that forget."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from uuid import UUID

import click
import pytest
from click.testing import CliRunner
from flask import Flask

from coalition import data_export, members
from kit import ids, logs, pairwise
from kit.http.fields import Id
from kit.terminal import desk, one_line_errors, say
from tests.conftest import World
from tests.service import shut
from wsgi import create_app

MEMBER = re.compile(r"mbr_[0-9a-z]{26}")


@pytest.fixture
def planted(world: World) -> Iterator[Flask]:
    """The service with routes that ask nobody who they are."""
    app = create_app(world.settings)
    app.add_url_rule("/shows/<uuid:member_id>", view_func=lambda member_id: ids.show(ids.MEMBER, member_id))
    app.add_url_rule("/reads/<shown>", endpoint="reads", view_func=lambda shown: str(ids.parse(ids.MEMBER, shown)))
    field = Id(ids.MEMBER)
    app.add_url_rule(
        "/renders/<uuid:one>", endpoint="renders", view_func=lambda one: str(field.serialize("id", {"id": one}))
    )
    yield app
    shut(app)


def test_a_route_without_a_view_is_a_fault_and_no_leak(world: World, planted: Flask, caplog) -> None:
    ann = world.member()
    with ids.seen_by(ids.OUR_OWN):  # of whoever runs the server, not of who asks it
        for path in (f"/shows/{ann}", f"/reads/{ids.show_our_own(ann)}", f"/renders/{ann}"):
            caplog.clear()
            answer = planted.test_client().get(path)
            assert (answer.status_code, answer.json["code"]) == (500, "internal_error"), path
            assert not MEMBER.search(answer.text)
            assert ann.hex not in answer.text.replace("-", "")
            assert any(record.exc_info and record.exc_info[0] is ids.NoView for record in caplog.records), path
        assert ids.show(ids.MEMBER, ann) == ids.show_our_own(ann), "and what was around the request is as before"


@pytest.mark.parametrize("way", ["export", "refusal"])
def test_a_job_without_a_view_writes_nothing(world: World, way: str) -> None:
    ann = world.member()

    def job() -> object:
        with world.database.transaction() as session:
            return data_export.of_member(session, member_id=ann, keyring=world.keyring)

    def refuse() -> None:
        members.refuse_merged(ann)

    wanted: dict[str, Callable[[], object]] = {"export": job, "refusal": refuse}
    with pytest.raises(ids.NoView) as raised:
        wanted[way]()
    assert not MEMBER.search(str(raised.value))


def test_a_command_that_is_at_no_desk_prints_no_member(world: World, terminal) -> None:
    ann = world.member()

    @click.command()
    @one_line_errors
    def forgets() -> None:
        say(ids.show(ids.MEMBER, ann))

    @click.command()
    @one_line_errors
    def sits_down() -> None:
        with desk():
            say(ids.show(ids.MEMBER, ann))
        say(ids.show(ids.MEMBER, ann))

    done = CliRunner().invoke(forgets)
    assert (type(done.exception), done.output) == (ids.NoView, "")
    done = CliRunner().invoke(sits_down)
    assert (type(done.exception), done.output.strip()) == (ids.NoView, ids.show_our_own(ann)), "left with the desk"


def test_the_log_names_members_as_we_do_whoever_asks(world: World, caplog) -> None:
    ann = world.member()
    with caplog.at_level(logging.INFO), ids.seen_by(pairwise.view_of(world.keyring, UUID(int=7))):
        logs.event(logging.getLogger("x"), "did", member_id=ann)
    assert caplog.records[-1].facts == {"member_id": ids.show_our_own(ann)}
