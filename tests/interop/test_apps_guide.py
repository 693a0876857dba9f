"""The programs of docs/how-to/apps.md, run as they stand there: a member's app with consent, and a till let in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from identity import clients
from kit import clock, ids, pairwise
from tests.conftest import act
from tests.e2e.conftest import ROOT
from tests.e2e.test_quickstart import blocks
from tests.interop.test_clients import Served
from tests.interop.test_clients import served as served

DOCUMENT = ROOT / "docs" / "how-to" / "apps.md"


@contextmanager
def running(name: str, folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The program that is to be saved as `name`."""
    [program] = [block.text for block in blocks(DOCUMENT.read_text("utf-8")) if block.saved_as == name]
    (folder / name).write_text(program, "utf-8")
    with subprocess.Popen([sys.executable, str(folder / name), *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_members_app_sees_what_the_member_agreed_to(served: Served, tmp_path: Path) -> None:
    world, member = served.world, served.member
    with world.transaction() as session:
        app, _ = clients.create_app(
            session, act(now=clock.now()), partner_id=served.partner_id, name="Green app", redirect_uris=["http://127.0.0.1/back"],
        )  # fmt: skip
    world.earn(served.partner_id, member.subject_id, 30)
    world.burn(world.partner("fuelway").partner_id, member.subject_id, 10)
    with running("app.py", tmp_path, served.issuer, app.client_id) as process:
        assert process.stdout
        location = served.visit(process.stdout.readline().strip())
        assert requests.get(location, timeout=10).text == "Thank you. Go back to the app."
        said = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    with ids.seen_by(pairwise.view_of(world.keyring, served.partner_id)):
        known_as = ids.show(ids.MEMBER, member.subject_id)
    assert said == [
        "may spend 500 a day",
        f"the member {known_as}",
        "has 20",
        "burn 10 at Fuelway",
        "earn 30 at Greengrocer",
        "still has 20",
    ]


def test_a_till_is_let_in(served: Served, tmp_path: Path) -> None:
    with running("till.py", tmp_path, served.issuer, served.parties["till"]["client_id"]) as process:
        assert process.stdout
        user_code, _, page = process.stdout.readline().split()
        assert page == f"{served.issuer}/device"
        served.confirm(user_code)
        said = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    assert said == ["let in for burn:write earn:write", "and still in"]
