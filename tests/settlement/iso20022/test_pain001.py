"""Payment files: valid, the same for the same payments, and understood by packages that are not ours."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from importlib import resources

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pyiso20022.pain.pain_001_001_09 import Document
from sepaxml import SepaTransfer
from xsdata.formats.dataclass.parsers import XmlParser

from kit import money
from settlement.iso20022 import pain001, validation
from settlement.iso20022.accounts import iban_account, other_account
from settlement.iso20022.pain001 import Initiation, MalformedPayment, Party, Transfer

NOW = datetime(2026, 11, 29, 4, 5, 6, 789, tzinfo=UTC)
COALITION = Party("Коалиция «Вместе»", iban_account("DE89370400440532013000", bic="COBADEFFXXX"))
GROCER = Party("Grocer & Söhne", iban_account("FR1420041010050500013M02606"))
FUEL = Party("Fuel", iban_account("GB29NWBK60161331926819", bic="NWBKGB2L"))
AIRLINE = Party("Авиалинии", other_account("40702810900000000001"))
DAY = date(2026, 11, 30)
NS = {"p": validation.NAMESPACE + pain001.MESSAGE}


def transfer(end_to_end_id: str = "E2E-1", **different: object) -> Transfer:
    made = Transfer(end_to_end_id, COALITION, GROCER, 123456, "EUR", DAY, "Settlement 2026-11-28")
    return replace(made, **different)


def initiation(*transfers: Transfer, **different: object) -> Initiation:
    return replace(Initiation("STL-20261128", NOW, "Coalition", transfers), **different)


MIXED = [
    transfer("E2E-1"),
    transfer("E2E-2", creditor=FUEL, amount_minor=1),
    transfer("E2E-3", execution_date=DAY + timedelta(days=1)),
    transfer("E2E-4", currency="RUB", creditor=AIRLINE, amount_minor=99),
    transfer("E2E-5", currency="JPY", creditor=FUEL, amount_minor=5000),
    transfer("E2E-6", currency="KWD", creditor=FUEL, amount_minor=1001),
    transfer("E2E-7", debtor=FUEL, creditor=COALITION),
    transfer("E2E-8", creditor=AIRLINE),
]


def parsed(file: bytes) -> Document:
    return XmlParser().from_bytes(file, Document)


def found(file: bytes, path: str) -> list[str]:
    return [one.text for one in etree.fromstring(file).iterfind("/".join(f"p:{name}" for name in path.split("/")), NS)]


def test_an_independent_package_reads_back_every_payment() -> None:
    document = parsed(pain001.write(initiation(*MIXED)))
    message = document.cstmr_cdt_trf_initn
    assert (message.grp_hdr.msg_id, message.grp_hdr.nb_of_txs) == ("STL-20261128", "8")
    assert message.grp_hdr.ctrl_sum == Decimal("9940.241")  # the numbers alone, whatever they are of
    assert message.grp_hdr.cre_dt_tm.to_datetime() == NOW.replace(microsecond=0)
    assert message.grp_hdr.initg_pty.nm == "Coalition"
    read = {}
    for group in message.pmt_inf:
        assert group.pmt_mtd.value == "TRF"
        assert int(group.nb_of_txs) == len(group.cdt_trf_tx_inf)
        assert group.ctrl_sum == sum(one.amt.instd_amt.value for one in group.cdt_trf_tx_inf)
        for one in group.cdt_trf_tx_inf:
            account = one.cdtr_acct.id
            read[one.pmt_id.end_to_end_id] = (
                group.dbtr_acct.id.iban,
                account.iban or account.othr.id,
                one.amt.instd_amt.value,
                one.amt.instd_amt.ccy,
                group.reqd_exctn_dt.dt.to_date(),
            )
    assert read == {
        one.end_to_end_id: (
            one.debtor.account.number,
            one.creditor.account.number,
            Decimal(one.amount_minor) / money.minor_units(one.currency),
            one.currency,
            one.execution_date,
        )
        for one in MIXED
    }


def test_an_independent_validator_finds_the_file_valid() -> None:
    published = resources.files("sepaxml").joinpath("schemas", "pain.001.001.09.xsd")
    schema = xmlschema.XMLSchema(str(published))
    schema.validate(pain001.write(initiation(*MIXED)).decode())


def test_an_independent_writer_says_the_same_of_a_sepa_payment() -> None:
    theirs = SepaTransfer(
        {
            "name": "Koalitsiia 'Vmeste'",
            "IBAN": COALITION.account.number,
            "BIC": COALITION.account.bic,
            "batch": False,
            "currency": "EUR",
        },
        schema="pain.001.001.09",
        clean=False,
    )
    theirs.add_payment(
        {
            "name": "Grocer + Sohne",
            "IBAN": GROCER.account.number,
            "amount": 123456,
            "execution_date": DAY,
            "description": "Settlement 2026-11-28",
            "endtoend_id": "E2E-1",
        }
    )
    ours = pain001.write(initiation(transfer()))
    for path in (
        "PmtMtd", "BtchBookg", "NbOfTxs", "CtrlSum", "PmtTpInf/SvcLvl/Cd", "ReqdExctnDt/Dt", "Dbtr/Nm", "ChrgBr",
        "DbtrAcct/Id/IBAN", "DbtrAgt/FinInstnId/BICFI", "CdtTrfTxInf/PmtId/EndToEndId", "CdtTrfTxInf/Amt/InstdAmt",
        "CdtTrfTxInf/Cdtr/Nm", "CdtTrfTxInf/CdtrAcct/Id/IBAN", "CdtTrfTxInf/RmtInf/Ustrd",
    ):  # fmt: skip
        path = f"CstmrCdtTrfInitn/PmtInf/{path}"
        assert found(ours, path) == found(theirs.export(), path) != [], path


def test_there_is_a_group_for_each_account_currency_and_day_and_for_sepa() -> None:
    groups = parsed(pain001.write(initiation(*MIXED))).cstmr_cdt_trf_initn.pmt_inf
    assert [[one.pmt_id.end_to_end_id for one in group.cdt_trf_tx_inf] for group in groups] == [
        ["E2E-8"], ["E2E-1", "E2E-2"], ["E2E-7"], ["E2E-5"], ["E2E-6"], ["E2E-4"], ["E2E-3"],
    ]  # fmt: skip
    assert [group.pmt_inf_id for group in groups] == [f"STL-20261128-{n}" for n in range(1, 8)]
    assert [group.pmt_tp_inf is not None for group in groups] == [False, True, True, False, False, False, True]
    assert [group.chrg_br.value for group in groups] == ["SHAR", "SLEV", "SLEV", "SHAR", "SHAR", "SHAR", "SLEV"]


def test_amounts_have_the_digits_of_their_currency() -> None:
    amounts = found(pain001.write(initiation(*MIXED)), "CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf/Amt/InstdAmt")
    assert sorted(amounts) == ["0.01", "0.99", "1.001", "1234.56", "1234.56", "1234.56", "1234.56", "5000"]


def test_a_bank_that_is_not_known_is_not_made_up() -> None:
    file = pain001.write(initiation(transfer(debtor=GROCER, creditor=FUEL), transfer("E2E-2", creditor=GROCER)))
    path = "CstmrCdtTrfInitn/PmtInf"
    assert found(file, f"{path}/DbtrAgt/FinInstnId/Othr/Id") == ["NOTPROVIDED"]
    assert found(file, f"{path}/CdtTrfTxInf/CdtrAgt/FinInstnId/BICFI") == ["NWBKGB2L"]


def test_the_same_payments_in_any_order_give_the_same_bytes() -> None:
    shuffled = random.Random(1).sample(MIXED, len(MIXED))
    assert pain001.write(initiation(*shuffled)) == pain001.write(initiation(*MIXED))
    moscow = NOW.astimezone(timezone(timedelta(hours=3)))
    assert pain001.write(initiation(*MIXED, created_at=moscow)) == pain001.write(initiation(*MIXED))


@given(
    st.lists(
        st.builds(
            transfer,
            st.text("ABCabc0189-+.", min_size=1, max_size=35),
            debtor=st.builds(Party, st.text(max_size=200).map("A{}".format), st.just(COALITION.account)),
            creditor=st.builds(Party, st.text(max_size=200).map("Ж{}".format), st.just(FUEL.account)),
            amount_minor=st.integers(1, pain001.LARGEST_SEPA_MINOR),
            currency=st.sampled_from(["EUR", "JPY", "KWD", "CLF"]),
            execution_date=st.dates(date(2026, 1, 1), date(2030, 1, 1)),
            remittance=st.text(max_size=300),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda one: one.end_to_end_id,
    )
)
def test_whatever_names_and_amounts_there_are_the_file_is_valid_and_says_them(transfers: list[Transfer]) -> None:
    file = pain001.write(initiation(*transfers))
    read = {
        one.pmt_id.end_to_end_id: one.amt.instd_amt.value * money.minor_units(one.amt.instd_amt.ccy)
        for group in parsed(file).cstmr_cdt_trf_initn.pmt_inf
        for one in group.cdt_trf_tx_inf
    }
    assert read == {one.end_to_end_id: one.amount_minor for one in transfers}
    assert file.isascii()


@pytest.mark.parametrize(
    ("transfers", "what"),
    [
        ([], "transfers"),
        ([transfer(), transfer()], "end_to_end_id"),
        ([transfer("")], "end_to_end_id"),
        ([transfer("pay_01")], "end_to_end_id"),
        ([transfer("E" * 36)], "end_to_end_id"),
        ([transfer("<E>")], "end_to_end_id"),
        ([transfer(amount_minor=0)], "amount_minor"),
        ([transfer(amount_minor=-1)], "amount_minor"),
        ([transfer(amount_minor=pain001.LARGEST_SEPA_MINOR + 1)], "amount_minor"),
        ([transfer(amount_minor=pain001.LARGEST_MINOR + 1, currency="JPY")], "amount_minor"),
        ([transfer(currency="XXX")], "currency"),
        ([transfer(currency="eur")], "currency"),
        ([transfer(debtor=Party("漢字", COALITION.account))], "debtor"),
        ([transfer(creditor=Party(" ", GROCER.account))], "creditor"),
        ([transfer(creditor=COALITION)], "account"),
    ],
)
def test_a_payment_that_no_bank_takes_is_refused_and_named(transfers: list[Transfer], what: str) -> None:
    with pytest.raises(MalformedPayment) as caught:
        pain001.write(initiation(*transfers))
    assert caught.value.fields["what"] == what


@pytest.mark.parametrize("message_id", ["", "M" * 31, "M_1", "/M", "M\n"])
def test_a_message_id_that_no_bank_takes_is_refused(message_id: str) -> None:
    with pytest.raises(MalformedPayment, match="message's id"):
        pain001.write(initiation(transfer(), message_id=message_id))


def test_who_initiates_has_a_name() -> None:
    with pytest.raises(MalformedPayment, match="initiates"):
        pain001.write(initiation(transfer(), initiating_party="漢字"))


def test_more_payments_or_groups_than_a_file_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pain001, "GROUPS_MOST", 6)
    with pytest.raises(MalformedPayment, match="more than 6 groups"):
        pain001.write(initiation(*MIXED))
    monkeypatch.setattr(pain001, "TRANSFERS_MOST", 7)
    with pytest.raises(MalformedPayment, match="1 to 7 payments"):
        pain001.write(initiation(*MIXED))


def test_the_largest_amounts_keep_within_the_control_sum() -> None:
    many = [transfer(f"E-{n}", amount_minor=pain001.LARGEST_MINOR, currency="JPY") for n in range(900)]
    pain001.write(initiation(*many))
    with pytest.raises(MalformedPayment, match="control sum"):
        pain001.write(initiation(*many, *(replace(one, end_to_end_id=f"F{n}") for n, one in enumerate(many))))


def test_an_instant_without_a_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="time zone"):
        pain001.write(initiation(transfer(), created_at=NOW.replace(tzinfo=None)))
