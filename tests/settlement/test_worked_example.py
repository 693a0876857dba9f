"""The month of docs/settlement.md: its sums are right, and a coalition that does the same comes to the same."""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from coalition import ledger, programme
from settlement import entries, nightly, obligations, policies, runs, statements, verify
from tests.conftest import World, act, request
from tests.settlement.months import agree

PAGE = Path(__file__).parents[2] / "docs" / "settlement.md"
CARDS = {"Ann": "7001000000178503", "Ben": "7001000000178511"}
ONE_DAY = timedelta(days=1)
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def tables(page: str) -> dict[str, list[dict[str, str]]]:
    """The page's tables by their first two columns, each row by the names of its columns."""
    found = {}
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.M):
        head, _, *rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in table.splitlines()]
        found[", ".join(head[:2])] = [dict(zip(head, row, strict=False)) for row in rows]
    return found


SAID = tables(PAGE.read_text("utf-8"))
OWED, LINES, NETS = SAID["day, payer"], SAID["reference, exact"], SAID["party, is owed"]


def day(said: str) -> date:
    return datetime.strptime(f"{said} 2026", "%d %B %Y").replace(tzinfo=UTC).date()


def value(sum_: str) -> Fraction:
    """What a sum such as `364 × 0.95` comes to, exactly."""

    def of(node: ast.expr) -> Fraction:
        match node:
            case ast.BinOp(left, by, right):
                return Fraction(OPERATORS[type(by)](of(left), of(right)))
            case ast.UnaryOp(ast.USub(), operand):
                return -of(operand)
            case ast.Constant():
                return Fraction(ast.get_source_segment(text, node) or "")
        raise AssertionError(f"no sum: {sum_}")

    text = sum_.replace("×", "*").strip()
    return of(ast.parse(text, mode="eval").body)


def both_sides(equation: str) -> Fraction:
    """What an equation comes to, once it is checked that it holds."""
    left, right = equation.split(" = ")
    assert value(left) == value(right), equation
    return value(left)


def rounded(amount: Fraction) -> int:
    away = (2 * abs(amount) + 1) // 2
    return away if amount > 0 else -away


def test_the_sums_on_the_page_are_right() -> None:
    for row in OWED:
        assert rounded(both_sides(row["exact"])) == int(row["amount"]), row
    for row in LINES:
        assert both_sides(row["exact"]) // 1 == int(row["rounded down"]), row
        assert 0 <= int(row["line"]) - int(row["rounded down"]) <= 1
    nets = {row["party"]: (both_sides(row["is owed"]), both_sides(row["owes"]), int(row["net"])) for row in NETS}
    assert all(is_owed - owes == net for is_owed, owes, net in nets.values())
    assert sum(net for *_, net in nets.values()) == 0
    for party, (is_owed, owes, _) in nets.items():
        assert is_owed == sum(int(row["amount"]) for row in OWED if row["payee"] == party)
        assert owes == sum(int(row["amount"]) for row in OWED if row["payer"] == party)
    for title in policies.NETTINGS:
        left = Counter({party: net for party, (*_, net) in nets.items()})
        for payer, payee, amount in payments(title):
            left[payer] += amount
            left[payee] -= amount
        assert {party for party, amount in left.items() if amount} == set()
    advance, out, at_most, fees = sums_of_the_fund()
    vat = sum(int(row["amount"]) for row in OWED if row["kind"] == "vat")
    assert advance - out == 264 >= at_most
    assert advance - out + fees + vat == nets["fund"][2]


def sums_of_the_fund() -> Iterator[Fraction]:
    told = PAGE.read_text("utf-8").split("### What the fund holds")[1].replace("\n", " ")
    for equation in re.findall(r"\d[\d +×.-]* = \d+", told):
        yield both_sides(equation)


def payments(title: str) -> list[tuple[str, str, int]]:
    name = f"{title}: payer"
    return [(row[name], row["payee"], int(row["amount"])) for row in SAID[f"{name}, payee"]]


class Example:
    """A coalition that does what the page says."""

    def __init__(self, world: World, netting: str) -> None:
        self.world = world
        self.parties = {
            name: world.partner(name.lower()).partner_id for name in ("Greengrocer", "Fuelway", "Pagebound", "Cinema")
        }
        self.members = {name: world.member(card) for name, card in CARDS.items()}
        self.posted: dict[str, ledger.Transaction] = {}
        with world.transaction() as session:
            self.parties["fund"] = programme.get(session).programme_id
            self.today = programme.get(session).open_day
            policies.put(session, act(), policies.Policy(netting=netting))
        self.names = {party_id: name for name, party_id in self.parties.items()}

    def trade(self) -> None:
        """Until the month is over, a day after the other."""
        while self.today.month == 3:
            for row in SAID["partner, from"]:
                if day(row["from"]) == self.today:
                    self.agree(row)
            for row in SAID["day, member"]:
                if day(row["day"]) == self.today and row["what"] != "expires":
                    self.post(row)
            for row in OWED:
                if (day(row["day"]), row["kind"]) == (self.today, "promotion"):
                    self.enter(row)
            nightly.run(self.world.database, self.act(ONE_DAY), day=self.today)
            self.today += ONE_DAY

    def agree(self, row: dict[str, str]) -> None:
        agree(
            self.world, self.parties[row["partner"]], self.today, cycle="monthly", funding=row["funding"],
            redemption_price_minor=Decimal(row["redemption price"]), issue_price_minor=Decimal(row["issue price"]),
            breakage_share_percent=Decimal(row["breakage share"]), fee_per_point_minor=Decimal(row["fee per point"]),
            fee_percent=Decimal(row["fee per cent"]), fee_minimum_minor=int(row["fee minimum"]),
            vat_percent=Decimal(row["VAT"]),
        )  # fmt: skip

    def post(self, row: dict[str, str]) -> None:
        member, points, reference = self.members[row["member"]], int(row["points"]), row["reference"]
        command: ledger.Command
        match row["what"]:
            case "earns":
                expires = {"F-1": date(2026, 3, 20)}.get(reference)
                award = ledger.Award(points=points, expires_on=expires)
                command = ledger.Earn(member_id=member, reference=reference, awards=(award,))
            case "burns":
                command = ledger.Burn(member_id=member, reference=reference, points=points)
            case "returns":
                original = re.findall(r"[A-Z]-\d", row["whose points"])[0]
                command = ledger.Reversal(
                    original_id=self.posted[original].transaction_id, reference=reference, points=points
                )
            case what:
                raise AssertionError(what)
        with self.world.transaction() as session:
            asked = replace(request(self.parties[row["where"]]), now=self.noon())
            self.posted[reference] = ledger.post(session, asked, command).unwrap()

    def enter(self, row: dict[str, str]) -> None:
        with self.world.transaction() as session:
            entries.add(
                session, self.act(reason="discount"), kind=row["kind"], payer_id=self.parties[row["payer"]],
                payee_id=self.parties[row["payee"]], currency="GBP", amount_minor=int(row["amount"]), reference="P",
            )  # fmt: skip

    def noon(self) -> datetime:
        return datetime.combine(self.today, time(12), UTC)

    def act(self, later: timedelta = timedelta(), **more: Any) -> Any:
        return act(self.world.keyring, now=self.noon() + later, **more)

    def pair(self, one: Any) -> tuple[str, str]:
        return self.names[one.payer_id], self.names[one.payee_id]


@pytest.mark.parametrize("netting", policies.NETTINGS)
def test_a_coalition_that_does_the_same_comes_to_the_same(world: World, netting: str) -> None:
    example = Example(world, netting)
    example.trade()
    with world.transaction() as session:
        kept = obligations.of_days(session, date(2026, 3, 1), date(2026, 3, 31))
        found = [(one.day, *example.pair(one), one.kind, one.points, one.amount_minor) for one in kept]
        assert Counter(found) == Counter(
            (day(row["day"]), row["payer"], row["payee"], row["kind"], int(row["points"]), int(row["amount"]))
            for row in OWED
        )
        (two_lines,) = [one for one in kept if (one.day, one.kind) == (date(2026, 3, 3), "redemption")]
        assert [(line.reference, line.amount_minor) for line in statements.lines(session, two_lines)] == [
            (row["reference"], int(row["line"])) for row in LINES
        ]
        run = runs.of_day(session, date(2026, 3, 31), cycle="monthly")
        assert (run.state, run.first_day) == ("calculated", date(2026, 3, 1))
        nets = {example.names[one.party_id]: one.amount_minor for one in runs.positions(session, run.run_id)}
        assert nets == {row["party"]: int(row["net"]) for row in NETS}
        made = [(*example.pair(one), one.amount_minor) for one in runs.payments(session, run.run_id)]
        assert sorted(made) == sorted(payments(netting))
        assert verify.first_broken(session) is None
    assert sum(world.available(member) for member in example.members.values()) == 1001 - 331 - 33 + 130 - 101 + 150
