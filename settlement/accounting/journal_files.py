"""A journal as a file: for beancount, for hledger, or as JSON. The same journal gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from kit import money
from settlement.accounting.journal import INSTRUCTED, REOPENED, SETTLED, Entry, Journal

FORM = "coalition.journal/1"
_WORDS = {
    "redemption": "Points redeemed", "issue": "Points issued", "breakage": "Points expired", "fee": "Fee",
    "fee_minimum": "Minimum fee", "vat": "VAT", "promotion": "Promotion", "adjustment": "Adjustment",
    "dispute": "Dispute", INSTRUCTED: "Payment on its way", SETTLED: "Payment made",
    REOPENED: "Payment on its way again",
}  # fmt: skip


def beancount(journal: Journal, *, with_open: bool = True) -> Iterator[str]:
    """For beancount, part by part; without `with_open` for accounts that are open in a file it is put to."""
    yield f'option "title" "Settlement from {journal.first} to {journal.last}"\n'
    for currency in journal.currencies:
        yield f'option "operating_currency" "{currency}"\n'
    yield "\n"
    for account in journal.accounts if with_open else ():
        yield f"{journal.first} open {account}\n"
    for one in journal.entries:
        yield (
            f"\n{one.day} * {_quoted(one.counterparty_name)} {_quoted(_WORDS[one.kind])} ^{one.document}\n"
            f"  kind: {_quoted(one.kind)}\n  company: {_quoted(one.company)}\n"
            f"  counterparty: {_quoted(one.counterparty)}\n"
            + (f"  points: {one.points}\n" if one.points else "")
            + _postings(one)
        )


def hledger(journal: Journal, *, with_open: bool = True) -> Iterator[str]:
    """For hledger, part by part; without `with_open` its accounts are not declared."""
    yield "decimal-mark .\n"
    for currency in journal.currencies:
        yield f"commodity 1000.{'0' * money.exponent(currency)} {currency}\n"
    for account in journal.accounts if with_open else ():
        yield f"account {account}\n"
    for one in journal.entries:
        tags = f"kind:{one.kind}, company:{one.company}, counterparty:{one.counterparty}, points:{one.points}"
        yield (
            f"\n{one.day} * ({one.document}) {_described(one.counterparty_name)} | {_WORDS[one.kind]}\n"
            f"    ; {tags}\n{_postings(one)}"
        )


def as_json(journal: Journal, *, with_open: bool = True) -> Iterator[str]:
    """As JSON, each entry on a line; amounts as decimals of the currency's digits, and in minor units."""
    head = {
        "form": FORM, "from": str(journal.first), "until": str(journal.last),
        **({"accounts": journal.accounts} if with_open else {}),
    }  # fmt: skip
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "entries": ['
    for place, one in enumerate(journal.entries):
        yield ("," if place else "") + "\n" + json.dumps(_data(one), ensure_ascii=False)
    yield "\n]}\n"


FORMATS: dict[str, Callable[..., Iterator[str]]] = {"beancount": beancount, "hledger": hledger, "json": as_json}


def _data(one: Entry) -> dict[str, object]:
    return {
        "day": str(one.day), "company": one.company, "kind": one.kind, "counterparty": one.counterparty,
        "counterparty_name": one.counterparty_name, "document": one.document, "points": one.points,
        "currency": one.currency,
        "postings": [
            {
                "account": posting.account,
                "amount": money.as_decimal(posting.amount_minor, one.currency),
                "amount_minor": posting.amount_minor,
            }
            for posting in one.postings
        ],
    }  # fmt: skip


def _postings(one: Entry) -> str:
    return "".join(
        f"    {posting.account}  {money.as_decimal(posting.amount_minor, one.currency)} {one.currency}\n"
        for posting in one.postings
    )


def _quoted(said: str) -> str:
    """A string of beancount's: on one line, with its backslashes and quotes escaped."""
    return '"' + _one_line(said).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _described(said: str) -> str:
    """What hledger takes for a payee: it has no escape for what begins a comment, and for what parts payee and note."""
    return _one_line(said).replace(";", ",").replace("|", "/")


def _one_line(said: str) -> str:
    return "".join(one if one.isprintable() else " " for one in said)
