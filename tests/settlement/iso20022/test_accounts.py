"""Account numbers are checked where they come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.iso20022 import accounts
from settlement.iso20022.accounts import BankAccount, MalformedBankAccount

# Published examples of the IBAN registry.
IBANS = [
    "DE89 3704 0044 0532 0130 00",
    "GB29 NWBK 6016 1331 9268 19",
    "FR14 2004 1010 0505 0001 3M02 606",
    "NO93 8601 1117 947",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
    "LC55 HEMM 0001 0001 0012 0012 0002 3015",
    "TR33 0006 1005 1978 6457 8413 26",
    "KZ86 125K ZT50 0410 0100",
    "BR18 0036 0305 0000 1000 9795 493C 1",
    "UA21 3223 1300 0002 6007 2335 6600 1",
    "CH93 0076 2011 6238 5295 7",
    "RS35 2600 0560 1001 6113 79",
]


@pytest.mark.parametrize("iban", IBANS)
def test_an_iban_is_taken_with_and_without_spaces_in_either_case(iban: str) -> None:
    number = iban.replace(" ", "")
    assert accounts.iban_account(iban) == BankAccount(number, True) == accounts.iban_account(number.lower())


@given(st.sampled_from(IBANS), st.data())
def test_one_wrong_character_or_two_that_were_swapped_are_noticed(iban: str, data: st.DataObject) -> None:
    number = iban.replace(" ", "")
    place = data.draw(st.integers(4, len(number) - 2))
    other = data.draw(st.sampled_from("0123456789"))
    wrong = {number[:place] + other + number[place + 1 :]}
    if number[place].isdigit() == number[place + 1].isdigit():
        wrong.add(number[:place] + number[place + 1] + number[place] + number[place + 2 :])
    for one in wrong - {number}:
        with pytest.raises(MalformedBankAccount):
            accounts.iban_account(one)


@pytest.mark.parametrize(
    ("iban", "why"),
    [
        ("DE00370400440532013000", "check digits"),
        ("GB00BUKB20201555000048", "check digits"),  # which is 97 to a sum, and never made
        ("GB01BUKB20201555000030", "check digits"),
        ("GB99BUKB20201555000012", "check digits"),
        ("DE8937040044053201300", "21 characters; an IBAN of DE has 22"),
        ("US89370400440532013000", "no IBANs in US"),
        ("40702810900000000001", "is not an IBAN"),
        ("DE8937040044053201300О", "is not an IBAN"),  # a Cyrillic O
        ("", "is not an IBAN"),
        ("DE89" + "1" * 1000, "is not an IBAN"),
    ],
)
def test_what_can_be_no_iban_is_refused_with_the_reason_and_without_the_number(iban: str, why: str) -> None:
    with pytest.raises(MalformedBankAccount, match=why) as caught:
        accounts.iban_account(iban)
    assert iban[4:12] not in caught.value.detail or iban == ""
    assert caught.value.fields == {"what": "iban"}


@pytest.mark.parametrize("bic", ["COBADEFF", "cobadeffxxx", "COBA DE FF XXX"])
def test_a_bic_has_eight_or_eleven_characters(bic: str) -> None:
    assert accounts.iban_account(IBANS[0], bic=bic).bic in ("COBADEFF", "COBADEFFXXX")


@pytest.mark.parametrize("bic", ["", "COBADEF", "COBADEFFX", "COBA1EFF", "COBADEFFXXXX"])
def test_what_can_be_no_bic_is_refused(bic: str) -> None:
    with pytest.raises(MalformedBankAccount, match="is not a BIC"):
        accounts.other_account("1", bic=bic)


def test_an_account_without_an_iban_has_its_number_alone() -> None:
    assert accounts.other_account(" 40702810900000000001 ") == BankAccount("40702810900000000001", False)


@pytest.mark.parametrize("number", ["", " ", "1" * 35, "№1", "<x>", "a\nb"])
def test_what_can_be_no_number_of_an_account_is_refused(number: str) -> None:
    with pytest.raises(MalformedBankAccount, match="not the number"):
        accounts.other_account(number)


@pytest.mark.parametrize(
    ("iban", "is_sepa"), [(IBANS[0], True), (IBANS[1], True), (IBANS[6], False), (IBANS[7], False)]
)
def test_sepa_reaches_some_of_the_countries_with_ibans(iban: str, is_sepa: bool) -> None:
    assert accounts.iban_account(iban).is_sepa is is_sepa
    assert not accounts.other_account("1").is_sepa
