"""Partner accounts: from nothing to live, the states and their history, and all that belongs to a partner."""

from __future__ import annotations

import inspect
import json
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cli import main
from coalition import rates
from identity import clients
from kit import clock
from kit.errors import CoalitionError
from partners import accounts, brands, categories, contacts, lifecycle, locations, placements, signatures, staff
from partners.accounts import LegalEntity, PartnerGone, PartnerNotActive
from partners.issuing import TermsMissing
from partners.lifecycle import Leaving, OnboardingIncomplete, TransitionRefused
from partners.states import TRANSITIONS
from settlement import agreements
from settlement.terms import Terms, put_in_force, take_on
from tests.conftest import NOW, World, act, active_partner

ROOT = Path(__file__).parents[2]
STEP = act(reason="as agreed", by="ann")
HOUR = timedelta(hours=1)


@pytest.fixture
def joining(world: World) -> accounts.Partner:
    with world.transaction() as session:
        return accounts.onboard(
            session, act(by="ann"), code="bookshop", name="Bookshop", is_issuer=True, is_redeemer=False
        )


def legal_entity(session, partner_id) -> None:
    entity = LegalEntity("Bookshop Ltd", "01234567", "GB")
    assert accounts.change(session, act(), partner_id=partner_id, legal_entity=entity).legal_entity == entity


def brand(session, partner_id) -> None:
    brands.add(session, act(), partner_id=partner_id, name="Bookshop")


def placement(session, partner_id) -> None:
    category = categories.add(session, act(), code="fuel", name="Fuel", parent_id=None)
    placements.add(session, act(), partner_id=partner_id, category_id=category.category_id, territory="GB",
                  since=NOW.date(), until=None, clause=None)  # fmt: skip


def contact(session, partner_id) -> None:
    made = contacts.add(session, act(), partner_id=partner_id, role="legal", name="Ann", email="Ann@Example.com",
                        phone="+44 20 7946 0000")  # fmt: skip
    assert (made.email, made.phone) == ("ann@example.com", "+442079460000")


def signed_agreement(session, partner_id, **change: Any) -> None:
    given = {"document": "agreement-17.pdf", "document_hash": sha256(b"").digest(), "partner_signatory": "Bo",
             "coalition_signatory": "Ann", "signed_on": NOW.date(), **change}  # fmt: skip
    signatures.record(session, act(), partner_id=partner_id, **given)


def rate(session, partner_id) -> None:
    rates.set_rate(session, act(), partner_id=partner_id, points_per_unit=Decimal(1), minor_per_unit=100,
                   currency="GBP", since=NOW.date())  # fmt: skip


def agreement(session, partner_id) -> None:
    agreements.agree(session, act(), partner_id=partner_id, redemption_price_minor=Decimal(1), currency="GBP",
                     since=NOW.date())  # fmt: skip


PAPERS: list[Callable[..., None]] = [
    legal_entity, brand, placement, contact, signed_agreement, rate, agreement,
]  # fmt: skip


def live_client(world: World, partner_id) -> None:
    with world.transaction() as session:
        clients.create(session, act(world.keyring), partner_id=partner_id, scopes=None)


def test_a_partner_goes_live_only_when_all_its_papers_are_in_order(world: World, joining) -> None:
    left = [paper.__name__ for paper in PAPERS]
    for paper in PAPERS:
        with pytest.raises(OnboardingIncomplete) as refused, world.transaction() as session:
            lifecycle.activate(session, STEP, partner_id=joining.partner_id)
        assert refused.value.fields["missing"] == left
        with pytest.raises(PartnerNotActive):
            live_client(world, joining.partner_id)
        with world.transaction() as session:
            paper(session, joining.partner_id)
        left.remove(paper.__name__)
    with world.transaction() as session:
        assert lifecycle.activate(session, STEP, partner_id=joining.partner_id).status == "active"
    live_client(world, joining.partner_id)


def test_who_issues_no_points_needs_no_terms_until_it_does(world: World) -> None:
    step = act(reason="a trial", by="ann")
    with world.transaction() as session:
        made = take_on(session, step, code="taker", name="Taker", terms=None)
        assert (made.status, made.is_issuer) == ("active", False)
    with pytest.raises(TermsMissing) as refused, world.transaction() as session:
        accounts.change(session, act(), partner_id=made.partner_id, is_issuer=True)
    assert refused.value.fields["missing"] == ["rate", "agreement"]
    with world.transaction() as session:
        put_in_force(session, step, partner_id=made.partner_id, terms=Terms(Decimal(1), Decimal(1)))
        assert accounts.change(session, act(), partner_id=made.partner_id, is_issuer=True).is_issuer


def test_nobody_who_issues_points_is_vouched_for_without_terms_in_force_today(world: World, joining) -> None:
    tomorrow = Terms(Decimal(1), Decimal(1), since=NOW.date() + timedelta(days=1))
    with world.transaction() as session:
        put_in_force(session, STEP, partner_id=joining.partner_id, terms=tomorrow)
    with pytest.raises(TermsMissing), world.transaction() as session:
        lifecycle.vouch(session, STEP, partner_id=joining.partner_id)


def test_no_part_of_the_product_makes_a_partner_live_but_its_lifecycle() -> None:
    writes = re.compile(r"(INSERT INTO|UPDATE) partners\.partner\b")
    rooms = ("kit", "coalition", "partners", "settlement", "webhooks", "console")
    writers = {path.name for room in rooms for path in (ROOT / room).rglob("*.py") if writes.search(path.read_text())}
    assert writers == {"accounts.py", "lifecycle.py"}
    assert "onboarding" in inspect.getsource(accounts.onboard)


def test_what_has_ended_counts_no_longer(world: World, joining) -> None:
    with world.transaction() as session:
        for paper in PAPERS:
            paper(session, joining.partner_id)
        session.execute(text("UPDATE partners.brand SET ended_at = now()"))
        session.execute(text("UPDATE partners.contact SET ended_at = now()"))
        session.execute(text("UPDATE partners.placement SET valid = daterange('2020-01-01', '2020-02-01')"))
        assert lifecycle.missing(session, partner_id=joining.partner_id, now=NOW) == ["brand", "placement", "contact"]


@pytest.mark.parametrize("status", ["onboarding", "suspended", "leaving", "left"])
def test_no_live_client_for_a_partner_that_is_not_active(world: World, status) -> None:
    partner = in_state(world, status)
    with pytest.raises(PartnerNotActive) as refused:
        live_client(world, partner.partner_id)
    assert refused.value.fields["partner_status"] == status


def in_state(world: World, status: str) -> accounts.Partner:
    """A partner brought there the way partners get there."""
    with world.transaction() as session:
        if status in ("onboarding", "left"):
            made = accounts.onboard(session, act(by="ann"), code="one", name="One", is_issuer=True,
                                    is_redeemer=True)  # fmt: skip
            if status == "left":
                lifecycle.abandon(session, STEP, partner_id=made.partner_id)
        else:
            made = active_partner(session, "one")
            for terms in (rate, agreement):
                terms(session, made.partner_id)
            if status == "suspended":
                lifecycle.suspend(session, STEP, partner_id=made.partner_id)
            if status == "leaving":
                take(session, "leave", made.partner_id)
        return accounts.by_id(session, made.partner_id)


def take(session, verb: str, partner_id) -> None:
    more = {"times": Leaving(NOW, NOW + HOUR, NOW + HOUR)} if verb == "leave" else {}
    getattr(lifecycle, verb)(session, STEP, partner_id=partner_id, **more)


@pytest.mark.parametrize("status", ["onboarding", "active", "suspended", "leaving", "left"])
@pytest.mark.parametrize("verb", ["activate", "abandon", "suspend", "resume", "leave"])
def test_a_step_is_taken_from_the_states_it_starts_from_and_from_no_other(world: World, status, verb) -> None:
    partner = in_state(world, status)
    with world.transaction() as session:
        if status in TRANSITIONS[verb].sources and verb != "activate":
            take(session, verb, partner.partner_id)
            assert accounts.by_id(session, partner.partner_id).status == TRANSITIONS[verb].target
            return
        refusal = {"left": PartnerGone, "onboarding": OnboardingIncomplete}.get(status, TransitionRefused)
        with pytest.raises(refusal if status == "left" or verb == "activate" else TransitionRefused):
            take(session, verb, partner.partner_id)
        assert accounts.by_id(session, partner.partner_id) == partner


def test_every_step_is_written_down_for_good(world: World) -> None:
    partner = in_state(world, "suspended")
    with world.transaction() as session:
        lifecycle.resume(session, act(reason="paid", by="ben", now=NOW + HOUR), partner_id=partner.partner_id)
        found = accounts.history(session, partner_id=partner.partner_id, after=UUID(int=0), limit=9)
    assert [(s.from_status, s.to_status, s.reason, s.made_by) for s in found] == [
        (None, "onboarding", "onboarding begins", "a test"),
        ("active", "suspended", "as agreed", "ann"),
        ("suspended", "active", "paid", "ben"),
    ]
    for statement in ("DELETE FROM partners.state_change", "UPDATE partners.state_change SET reason = 'x'"):
        with pytest.raises(Exception, match="permission denied"), world.transaction() as session:
            session.execute(text(statement))


@pytest.mark.parametrize(
    "times",
    [
        Leaving(NOW - HOUR, NOW, NOW),
        Leaving(NOW + HOUR, NOW, NOW + HOUR),
        Leaving(NOW, NOW + HOUR, NOW),
        Leaving(NOW, NOW, NOW + timedelta(days=3000)),
    ],
    ids=["in-the-past", "burns-end-first", "gone-before-burns-end", "in-eight-years"],
)
def test_times_of_leaving_are_in_order(world: World, times) -> None:
    partner = in_state(world, "active")
    with pytest.raises(lifecycle.LeavingOutOfOrder), world.transaction() as session:
        lifecycle.leave(session, STEP, partner_id=partner.partner_id, times=times)


@pytest.mark.parametrize("said", [{"reason": " "}, {"reason": "x" * 501}, {}, {"reason": "so", "by": ""}])
def test_a_step_says_why_and_who(world: World, said) -> None:
    partner = in_state(world, "active")
    with pytest.raises(CoalitionError, match=r"printable|say why"), world.transaction() as session:
        lifecycle.suspend(session, act(**said), partner_id=partner.partner_id)


def test_of_many_that_suspend_at_once_one_does(world: World) -> None:
    partner = in_state(world, "active")
    refused = []

    def suspend() -> None:
        try:
            with world.transaction() as session:
                lifecycle.suspend(session, STEP, partner_id=partner.partner_id)
        except TransitionRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=suspend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    assert world.count("partners.state_change WHERE to_status = 'suspended'") == 1


def test_with_a_partner_its_staff_and_clients_go(world: World) -> None:
    partner = in_state(world, "active")
    live_client(world, partner.partner_id)
    with world.transaction() as session:
        staff.add(session, act(), partner_id=partner.partner_id, email="a@example.com", name="A", role="admin")
        take(session, "leave", partner.partner_id)
        assert lifecycle.finish_leaving(session, act()) == 0
        assert lifecycle.finish_leaving(session, act(now=NOW + HOUR)) == 1
        assert clients.revoke_of_left(session, now=NOW + HOUR) == 1
        with pytest.raises(PartnerGone):
            brands.add(session, act(), partner_id=partner.partner_id, name="Late")
        again = staff.add(session, act(), partner_id=None, email="A@example.com", name="A", role="admin")
    assert again.email == "a@example.com"
    assert world.count("partners.oauth_client WHERE revoked_at IS NULL") == 0


def test_a_name_an_address_and_a_code_are_taken_once(world: World, joining) -> None:
    mine = {"partner_id": joining.partner_id}
    with world.transaction() as session:
        first = brands.add(session, act(), name="Fresh", **mine)
        with pytest.raises(brands.BrandTaken):
            brands.add(session, act(), name="FRESH", **mine)
        brands.end(session, act(), brand_id=first.brand_id)
        with pytest.raises(brands.BrandNotFound):
            brands.end(session, act(), brand_id=first.brand_id)
        assert brands.add(session, act(), name="FRESH", **mine)
        person = staff.add(session, act(), email="a@example.com", name="A", role="cashier", **mine)
        with pytest.raises(staff.StaffEmailTaken):
            staff.add(session, act(), partner_id=None, email="A@EXAMPLE.com", name="A", role="admin")
        assert staff.change(session, act(), staff_id=person.staff_id, role="manager").role == "manager"
        shop = locations.add(session, act(), code="L1", name="High St", territory="GB-ENG", address="1 High St", **mine)
        with pytest.raises(locations.LocationCodeTaken):
            locations.add(session, act(), code="L1", name="Low St", territory="GB", address="1 Low St", **mine)
        till = locations.add_till(session, act(), location_id=shop.location_id, code="1")
        with pytest.raises(locations.TillCodeTaken):
            locations.add_till(session, act(), location_id=shop.location_id, code="1")
        for status in ("blocked", "active", "retired", "retired"):
            assert locations.set_till(session, act(), till_id=till.till_id, status=status).status == status
        with pytest.raises(locations.TillRetired):
            locations.set_till(session, act(), till_id=till.till_id, status="active")
        shut = locations.change(session, act(), location_id=shop.location_id, name=None, address=None, status="closed")
        assert (shut.name, shut.status) == ("High St", "closed")
        with pytest.raises(locations.LocationClosed):
            locations.add_till(session, act(), location_id=shop.location_id, code="2")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda s, p: contacts.add(s, act(), partner_id=p, role="legal", name="A", email="nobody", phone=None),
        lambda s, p: contacts.add(s, act(), partner_id=p, role="legal", name="A", email="a@b.co", phone="12"),
        lambda s, p: contacts.add(s, act(), partner_id=p, role="legal", name="\n", email="a@b.co", phone=None),
        lambda s, p: brands.add(s, act(), partner_id=p, name=""),
        lambda s, p: brands.add(s, act(), partner_id=p, name="x" * 101),
        lambda s, p: staff.add(s, act(), partner_id=p, email="a b@c.de", name="A", role="admin"),
        lambda s, p: locations.add(s, act(), partner_id=p, code="a b", name="A", territory="GB", address="x"),
        lambda s, p: locations.add(s, act(), partner_id=p, code="a", name="A", territory="*", address="x"),
        lambda s, p: locations.add(s, act(), partner_id=p, code="a", name="A", territory="UK", address="x"),
        lambda s, p: accounts.change(s, act(), partner_id=p, legal_entity=LegalEntity("A", "1", "UK")),
        lambda s, p: accounts.change(s, act(), partner_id=p, legal_entity=LegalEntity(" ", "1", "GB")),
        lambda s, p: accounts.change(s, act(), partner_id=p, is_issuer=False),
        lambda s, p: accounts.change(s, act(), partner_id=p, name="\x00"),
        lambda s, p: signed_agreement(s, p, signed_on=NOW.date() + timedelta(days=1)),
        lambda s, p: signed_agreement(s, p, partner_signatory=""),
    ],
)
def test_what_is_not_sound_is_refused(world: World, joining, attempt) -> None:
    with pytest.raises(CoalitionError) as refused, world.transaction() as session:
        attempt(session, joining.partner_id)
    assert type(refused.value).__mro__[1].__name__ == "Invalid"


@pytest.fixture
def command(world: World, monkeypatch) -> Callable[..., Result]:
    """Run `coalition …` on this world, in this process."""
    for name in ("database_url", "redis_url", "secret_key", "data_dir"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))

    def run(*words: str) -> Result:
        takes_json = words[0] not in ("rate", "agreement")
        return CliRunner().invoke(main, [*words, *(["--json"] * takes_json)])

    return run


def test_the_operator_takes_a_partner_from_nothing_to_live_at_the_terminal(command, tmp_path: Path) -> None:
    paper = tmp_path / "agreement.pdf"
    paper.write_bytes(b"signed")
    why = ("--reason", "all in order", "--by", "ann")
    since = ("--since", "2026-01-01")
    script = """
        partner create fresh --onboarding
        partner update fresh --legal-name FreshLtd --registration-no 1 --country GB --reason typed
        partner category add food
        partner category add food/grocer
        partner category list
        partner brand add fresh Fresh
        partner brand list fresh
        partner location add fresh L1 --name High --territory GB --address High
        partner location list fresh
        partner till add fresh L1 7
        partner till list fresh L1
        partner location set fresh L1 closed --reason moved
        partner contact add fresh business --name Ann --email ann@example.com
        partner contact list fresh
        partner staff add fresh --email bo@example.com --name Bo --role manager
        partner staff add --email cy@example.com --name Cy --role admin
        partner staff list fresh
        partner staff list
        partner list
    """
    seen = {}
    for line in filter(None, map(str.strip, script.splitlines())):
        result = command(*line.split())
        assert result.exit_code == 0, (line, result.output)
        seen[line] = json.loads(result.output)
    present = command("partner", "placement", "add", "fresh", "food/grocer", "GB", *since, "--clause", "7.2")
    assert json.loads(present.output)["clause"] == "7.2"
    refused = command("partner", "activate", "fresh", *why)
    assert refused.exit_code == 1
    assert "lacks: signed_agreement, rate, agreement (onboarding_incomplete)" in refused.output
    who = ("--partner-signatory", "Bo", "--coalition-signatory", "Ann", "--on", "2026-01-01")
    signed = json.loads(command("partner", "sign", "fresh", str(paper), *who).output)
    assert signed["document_hash"] == sha256(b"signed").hexdigest()
    assert command("client", "create", "fresh").exit_code == 1
    assert command("rate", "set", "fresh", "1.5").exit_code == 0
    assert command("agreement", "create", "fresh", "0.95").exit_code == 0
    assert json.loads(command("partner", "activate", "fresh", *why).output)["status"] == "active"
    made = json.loads(command("client", "create", "fresh").output)
    assert command("client", "revoke", made["client_id"], *why).exit_code == 0
    assert command("partner", "create", "rival", "--rate", "1", "--price", "1").exit_code == 0
    taken = command("partner", "placement", "add", "rival", "food", "*", *since)
    assert "Fresh (fresh) is present in food/grocer in GB" in taken.output
    ends = ("partner", "placement", "end", json.loads(present.output)["placement_id"], "2027-01-01")
    assert json.loads(command(*ends, *why).output)["until"] == "2027-01-01"
    assert json.loads(command("partner", "placement", "list", "fresh").output)["data"][0]["until"] == "2027-01-01"
    assert command("partner", "placement", "withdraw", ends[3], *why).exit_code == 0
    assert command("partner", "suspend", "fresh", *why).exit_code == 0
    assert command("partner", "resume", "fresh", *why).exit_code == 0
    later = (clock.now() + HOUR).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    times = ("--earns-until", later, "--burns-until", later, "--leaves-at", later)
    assert json.loads(command("partner", "leave", "fresh", *times, *why).output)["status"] == "leaving"
    shown = json.loads(command("partner", "show", "fresh").output)
    assert [s["to_status"] for s in shown["history"]] == ["onboarding", "active", "suspended", "active", "leaving"]
    for group, kind, line in (
        ("brand", "brand_id", "partner brand add fresh Fresh"),
        ("contact", "contact_id", "partner contact add fresh business --name Ann --email ann@example.com"),
        ("staff", "staff_id", "partner staff add --email cy@example.com --name Cy --role admin"),
    ):
        assert json.loads(command("partner", group, "end", seen[line][kind], *why).output)["ended_at"]
    till = seen["partner till add fresh L1 7"]["till_id"]
    assert json.loads(command("partner", "till", "set", till, "blocked", *why).output)["status"] == "blocked"
    assert command("partner", "create", "dropped", "--onboarding").exit_code == 0
    assert json.loads(command("partner", "abandon", "dropped", *why).output)["status"] == "left"


def test_an_admin_client_is_made_at_the_terminal_and_gets_no_partners_scope(command) -> None:
    assert json.loads(command("client", "create", "--admin").output)["scopes"] == ["admin:read", "admin:write"]
    for words in (("--admin", "--scope", "earn:write"), ("fresh", "--admin"), ()):
        assert command("client", "create", *words).exit_code != 0
    assert command("partner", "create", "fresh").exit_code == 2, "neither rate nor price"
    command("partner", "create", "fresh", "--no-issuer")
    refused = command("client", "create", "fresh", "--scope", "admin:read")
    assert "unknown_scope" in refused.output


def test_the_database_too_keeps_the_admins_scopes_from_partners(world: World) -> None:
    partner = in_state(world, "active")
    insert = text("""
        INSERT INTO partners.oauth_client (client_id, partner_id, scopes, created_at)
        VALUES ('co_client_' || repeat('x', 22), :partner, :scopes, now())
    """)
    for owner, scopes in ((partner.partner_id, ["earn:write", "admin:read"]), (None, ["admin:read", "earn:write"])):
        with pytest.raises(Exception, match="oauth_client_admin"), world.transaction() as session:
            session.execute(insert, {"partner": owner, "scopes": scopes})
