"""Identifiers: read into one form, masked, refused without being repeated."""

from __future__ import annotations

import pytest

from coalition import identifiers
from coalition.identifiers import MalformedEmail, MalformedExternalId, MalformedPhone
from kit import ids
from kit.errors import Invalid
from tests.conftest import CARD

A, B = ids.new(), ids.new()


def parse(kind: str, given: str) -> identifiers.Identifier:
    return identifiers.parse(kind, given, partner_id=A)


@pytest.mark.parametrize(
    ("kind", "given", "value", "masked"),
    [
        ("card", CARD, CARD, "••••••••••••8503"),
        ("phone", "+44 7700 900-123", "+447700900123", "•••• 0123"),
        ("phone", "+44 (0)7700 900123", "+447700900123", "•••• 0123"),
        ("phone", "+1 202.555.0143", "+12025550143", "•••• 0143"),
        ("email", "Ann.Lee@Example.COM", "ann.lee@example.com", "a•••@e•••.com"),
        ("email", "a+b@shop.example.co.uk", "a+b@shop.example.co.uk", "a•••@s•••.uk"),
        ("email", "ann@bücher.example.com", "ann@xn--bcher-kva.example.com", "a•••@x•••.com"),
        ("external", "CRM/2026-0099", "CRM/2026-0099", "•••99"),
        ("external", "77", "77", "•••"),
    ],
)
def test_one_thing_has_one_form_and_a_mask_that_hides_it(kind, given, value, masked) -> None:
    found = parse(kind, given)
    assert (found.kind, found.value, found.masked) == (kind, value, masked)
    assert repr(value) not in repr(found)


@pytest.mark.parametrize(
    ("kind", "given", "error"),
    [
        ("phone", "07700 900123", MalformedPhone),
        ("phone", "+999 123456789", MalformedPhone),
        ("phone", "+44 7700", MalformedPhone),
        ("phone", "+1-800-FLOWERS", MalformedPhone),
        ("phone", "+44 7700 900123;ext=5", MalformedPhone),
        ("phone", "+٤٤٧٧٠٠٩٠٠١٢٣", MalformedPhone),
        ("phone", "+447700900123\n", MalformedPhone),
        ("email", "ann", MalformedEmail),
        ("email", "ann@", MalformedEmail),
        ("email", "ann@localhost", MalformedEmail),
        ("email", "ann@@example.com", MalformedEmail),
        ("email", "Ann <ann@example.com>", MalformedEmail),
        ("email", "änn@example.com", MalformedEmail),
        ("email", "ann@[127.0.0.1]", MalformedEmail),
        ("email", "ann@example.com\r\nBcc: all@example.com", MalformedEmail),
        ("email", "a" * 250 + "@example.com", MalformedEmail),
        ("external", "", MalformedExternalId),
        ("external", "a b", MalformedExternalId),
        ("external", "x" * 65, MalformedExternalId),
        ("external", "id\n", MalformedExternalId),
        ("external", "-id", MalformedExternalId),
    ],
)
def test_what_is_malformed_is_refused_and_not_repeated(kind, given, error) -> None:
    with pytest.raises(error) as refusal:
        parse(kind, given)
    assert isinstance(refusal.value, Invalid)
    assert not given or given not in refusal.value.detail


def test_an_external_id_counts_among_its_partners_only() -> None:
    mine, theirs = (identifiers.parse("external", "77", partner_id=partner) for partner in (A, B))
    assert mine != theirs
    for kind, given in (("card", CARD), ("phone", "+447700900123"), ("email", "ann@example.com")):
        assert identifiers.parse(kind, given, partner_id=A) == identifiers.parse(kind, given, partner_id=B)
