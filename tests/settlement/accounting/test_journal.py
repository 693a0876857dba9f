"""The journal: it is the obligations and payments, it balances, and beancount and hledger read it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from beancount import loader
from beancount.core.data import Open, Transaction
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from kit import ids, money
from settlement import netting, runs
from settlement.accounting import accounts, journal, journal_files
from settlement.accounting.accounts import DEFAULT, ROLES, AccountsRefused
from settlement.accounting.journal import Entry, Journal, Posting
from settlement.obligations import Kept
from settlement.reports import DayNotSettled
from settlement.runs import Change
from settlement.spans import SpanRefused
from settlement.statements import Party
from tests.conftest import World
from tests.service import terminal
from tests.settlement.small_coalition import DAY, ODD, trade

__all__ = ["terminal"]
LAST = DAY + timedelta(days=2)
HLEDGER = shutil.which("hledger")
ARGUMENTS = ("--from", DAY, "--until", LAST)


@pytest.fixture
def traded(world: World) -> World:
    trade(world)
    return world


def read(world: World, **more) -> Journal:
    with world.transaction() as session:
        return journal.read(session, DAY, LAST, **{"accounts": DEFAULT, **more})


def clearing(made: Journal) -> Counter:
    """What stands on each company's clearing account."""
    found: Counter = Counter()
    for one in made.entries:
        for posting in one.postings:
            if posting.account.endswith(":Settlement"):
                found[one.company, one.currency] += posting.amount_minor
    return found


def loaded(content: str) -> list:
    entries, errors, _ = loader.load_string(content)
    assert [error.message for error in errors] == []
    return entries


def test_the_journal_is_the_obligations_once_in_the_books_of_each_side(traded: World) -> None:
    made = read(traded)
    with traded.transaction() as session:
        owed = session.execute(
            text("SELECT obligation_id, kind, amount_minor FROM settlement.obligation WHERE amount_minor <> 0")
        ).all()
    assert {row.kind for row in owed} == {
        "redemption", "issue", "breakage", "fee", "fee_minimum", "vat", "promotion", "adjustment",
    }  # fmt: skip
    booked = Counter((one.kind, one.postings[0].amount_minor) for one in made.entries if one.document[:3] == "obl")
    assert booked == Counter({key: 2 * n for key, n in Counter((row.kind, row.amount_minor) for row in owed).items()})
    assert all(sum(posting.amount_minor for posting in one.postings) == 0 for one in made.entries)


def test_the_clearing_accounts_hold_what_is_not_on_its_way_yet(traded: World) -> None:
    with traded.transaction() as session:
        waiting = session.execute(
            text("""
                SELECT party_id, currency, sum(amount_minor) AS amount FROM (
                    SELECT payee_id AS party_id, currency, amount_minor FROM settlement.obligation
                    UNION ALL SELECT payer_id, currency, -amount_minor FROM settlement.obligation
                    UNION ALL SELECT p.payer_id, p.currency, p.amount_minor FROM settlement.run_payment p
                        JOIN settlement.run r USING (run_id) WHERE r.state IN ('instructed', 'settled')
                    UNION ALL SELECT p.payee_id, p.currency, -p.amount_minor FROM settlement.run_payment p
                        JOIN settlement.run r USING (run_id) WHERE r.state IN ('instructed', 'settled')
                ) each GROUP BY 1, 2
            """)
        ).all()
        codes = {party_id: party.code for party_id, party in journal.statements.parties(session).items()}
    found = clearing(read(traded))
    assert {key: amount for key, amount in found.items() if amount} == {
        (codes[row.party_id], row.currency): row.amount for row in waiting if row.amount
    }
    for currency in ("GBP", "JPY"):
        assert sum(amount for (_, of), amount in found.items() if of == currency) == 0


def test_beancount_reads_it_without_an_error_and_sums_it_to_the_same(traded: World, terminal) -> None:
    done = terminal("settlement", "journal", *ARGUMENTS)
    assert done.exit_code == 0, done.output
    assert terminal("settlement", "journal", *ARGUMENTS).output == done.output, "the same bytes"
    entries = [one for one in loaded(done.output) if isinstance(one, Transaction)]
    made = read(traded)
    assert len(entries) == len(made.entries)
    read_back = Counter()
    for one in entries:
        assert sum(posting.units.number for posting in one.postings) == 0, "to the last digit"
        for posting in one.postings:
            read_back[posting.account, posting.units.currency] += posting.units.number
    ours = Counter()
    for one in made.entries:
        for posting in one.postings:
            ours[posting.account, one.currency] += Decimal(money.as_decimal(posting.amount_minor, one.currency))
    assert read_back == ours
    assert ODD in {one.payee for one in entries}


def test_bean_check_takes_the_file(traded: World, terminal, tmp_path: Path) -> None:
    file = tmp_path / "books.beancount"
    file.write_text(terminal("settlement", "journal", *ARGUMENTS).output, "utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "bean-check", "--no-cache", file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(HLEDGER is None, reason="hledger is not at hand")
def test_hledger_reads_and_balances_it(traded: World, terminal, tmp_path: Path) -> None:
    file = tmp_path / "books.journal"
    file.write_text(terminal("settlement", "journal", *ARGUMENTS, "--format", "hledger").output, "utf-8")
    for words in (["check", "--strict"], ["stats"]):
        subprocess.run([str(HLEDGER), "-f", file, *words], check=True, capture_output=True)
    said = subprocess.run(
        [str(HLEDGER), "-f", file, "balance", "--flat", "-O", "json"], check=True, capture_output=True, text=True
    )
    rows, _ = json.loads(said.stdout)
    theirs = {
        (row[0], amount["acommodity"]): Decimal(amount["aquantity"]["decimalMantissa"])
        / 10 ** amount["aquantity"]["decimalPlaces"]
        for row in rows
        for amount in row[3]
    }
    ours: Counter = Counter()
    for one in read(traded).entries:
        for posting in one.postings:
            ours[posting.account, one.currency] += Decimal(money.as_decimal(posting.amount_minor, one.currency))
    assert theirs == {key: amount for key, amount in ours.items() if amount}


def test_the_json_says_the_same(traded: World, terminal) -> None:
    said = json.loads(terminal("settlement", "journal", *ARGUMENTS, "--format", "json").output)
    assert said["form"] == "coalition.journal/1"
    assert [(one["company"], one["document"]) for one in said["entries"]] == [
        (one.company, one.document) for one in read(traded).entries
    ]
    assert {one["counterparty_name"] for one in said["entries"]} >= {ODD, "Greengrocer", "Coalition; Ltd"}


def test_one_company_has_its_own_books_under_its_own_accounts(traded: World, terminal, tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(
        '[partner]\nbank = "Assets:Current"\n[company.greengrocer]\nowes_fee = "Expenses:{company}:Fée-1"\n'
    )
    words = (*ARGUMENTS, "--accounts", file, "--company", "greengrocer")
    done = terminal("settlement", "journal", *words)
    entries = loaded(done.output)
    assert {one.meta["company"] for one in entries if isinstance(one, Transaction)} == {"greengrocer"}
    opened = {one.account for one in entries if isinstance(one, Open)}
    assert {"Assets:Current", "Expenses:Greengrocer:Fée-1", "Assets:Greengrocer:Settlement"} <= opened
    without = terminal("settlement", "journal", *words, "--without-open").output
    assert " open " not in without
    loaded("".join(f"2020-01-01 open {account}\n" for account in sorted(opened)) + without)


def test_a_company_that_is_none_and_a_day_that_is_not_settled_are_refused(traded: World, terminal) -> None:
    done = terminal("settlement", "journal", *ARGUMENTS, "--company", "nobody")
    assert (done.exit_code, "partner_not_found" in done.output) == (1, True)
    with traded.transaction() as session:
        with pytest.raises(DayNotSettled, match=str(LAST + timedelta(days=1))):
            journal.read(session, DAY, LAST + timedelta(days=9), accounts=DEFAULT)
        with pytest.raises(DayNotSettled):
            journal.read(session, DAY - timedelta(days=9), DAY - timedelta(days=8), accounts=DEFAULT)
        with pytest.raises(SpanRefused):
            journal.read(session, LAST, DAY, accounts=DEFAULT)
        with pytest.raises(SpanRefused):
            journal.read(session, DAY, DAY + timedelta(days=3_700), accounts=DEFAULT)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\xff\xfe", "neither"), (b"[partner", "neither"), (b"{", "neither"), (b"[[partner]]", "no table"),
        (b"[" * 5_000, "neither"), (b'{"partner": []}', "no table"), (b"company = 1", "no table"),
        (b"[partners]\n", "'partners'"), (b"[company.nobody]\n", "nobody"), (b"[partner]\nbanks = 'Assets:B'", "banks"),
        (b"[partner]\nbank = 1", "bank"), (b"[partner]\nbank = 'Assets'", "bank"),
        (b"[partner]\nbank = 'Money:Bank'", "bank"), (b"[partner]\nbank = 'Assets:bank'", "bank"),
        (b"[partner]\nbank = 'Assets:Bank  1 GBP'", "bank"), (b"[partner]\nbank = 'Assets:B\"'", "bank"),
        (b"[partner]\nbank = 'Assets::B'", "bank"), (b"[partner]\nbank = 'Assets:{company.__class__}'", "bank"),
        (b"#" * 1_000_001, "at most"),
    ],
)  # fmt: skip
def test_a_file_of_accounts_that_can_not_be_is_refused_in_one_line(content: bytes, named: str) -> None:
    with pytest.raises(AccountsRefused, match=named) as refused:
        accounts.read(content, companies=["greengrocer"])
    assert "\n" not in str(refused.value)


@given(
    st.text(min_size=1, max_size=40).filter(lambda name: name.isprintable() and name.strip()),
    st.integers(-(10**15), 10**15).filter(bool), st.sampled_from(["GBP", "JPY", "KWD", "CLF"]), st.sampled_from(ROLES),
)  # fmt: skip
def test_whatever_a_partner_is_called_beancount_reads_it_as_it_is(name, amount, currency, role) -> None:
    postings = (Posting(DEFAULT.of("a-b", role), amount), Posting(DEFAULT.of("coalition", role), -amount))
    one = Entry(DAY, "a-b", "fee", "c", name, "obl_x", currency, 3, postings)
    (read_back,) = [
        each for each in loaded("".join(journal_files.beancount(Journal(DAY, DAY, [one]))))
        if isinstance(each, Transaction)
    ]  # fmt: skip
    assert read_back.payee == name
    assert [posting.units.number for posting in read_back.postings] == [
        Decimal(amount).scaleb(-money.exponent(currency)), -Decimal(amount).scaleb(-money.exponent(currency)),
    ]  # fmt: skip


PARTIES = {UUID(int=n): Party(UUID(int=n), code, code.title()) for n, code in enumerate(("coalition", "a", "b"))}
owed_ = st.builds(
    lambda ends, kind, currency, amount, cycle: Kept(
        DAY, UUID(int=ends[0]), UUID(int=ends[1]), kind, None, currency, 1, amount, cycle, ids.new(), None
    ),
    st.permutations([0, 1, 2]), st.sampled_from(accounts.KINDS), st.sampled_from(["GBP", "JPY"]),
    st.integers(-(10**12), 10**12), st.sampled_from(["daily", "monthly"]),
)  # fmt: skip


@given(st.lists(owed_, max_size=30))
def test_whatever_is_owed_every_companys_books_balance_and_clear_to_its_net_position(owed: list[Kept]) -> None:
    made = list(journal._of_obligations(owed, PARTIES, DEFAULT))
    for one in made:
        assert sum(posting.amount_minor for posting in one.postings) == 0
    found = clearing(Journal(DAY, DAY, made))
    for currency in ("GBP", "JPY"):
        nets = netting.net_positions(
            (one.payer_id, one.payee_id, one.amount_minor) for one in owed if one.currency == currency
        )
        for party_id, party in PARTIES.items():
            assert found[party.code, currency] == nets.get(party_id, 0)
            books = [posting for one in made if one.company == party.code for posting in one.postings]
            assert sum(posting.amount_minor for posting in books) == 0


def test_when_a_payment_comes_back_the_money_is_on_its_way_again_and_made_once(traded: World) -> None:
    before = read(traded)
    assert {one.kind for one in before.entries} >= {"payment_instructed", "payment_settled"}
    with traded.transaction() as session:
        [paid, *_] = [one for one in runs.newest(session, limit=100, states=("settled",))
                      if runs.payments(session, one.run_id)]  # fmt: skip
        at = runs.changes(session, paid.run_id)[-1].at
        reopened = runs.note(session, runs.get(session, paid.run_id, lock=True), Change("instructed", at, "the bank"))
    standing = accounts_of(read(traded))
    assert standing["Transit"] != accounts_of(before)["Transit"]
    with traded.transaction() as session:
        runs.note(session, reopened, Change("settled", at, "the bank"))
    after = read(traded)
    assert "payment_reopened" in {one.kind for one in after.entries}
    assert accounts_of(after) == accounts_of(before)


def accounts_of(made: Journal) -> dict[str, Counter]:
    """What stands on each company's accounts for money, by the account's last name."""
    found: dict[str, Counter] = {name: Counter() for name in ("Bank", "Transit", "Settlement")}
    for one in made.entries:
        for posting in one.postings:
            if (name := posting.account.rpartition(":")[2]) in found:
                found[name][one.company, one.currency] += posting.amount_minor
    return {name: Counter({key: n for key, n in sums.items() if n}) for name, sums in found.items()}
