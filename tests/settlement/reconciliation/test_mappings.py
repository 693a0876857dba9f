"""A mapping says how a partner's file is read: what is wrong with one is named, and each change is a version."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from settlement.reconciliation import mappings
from settlement.reconciliation.mappings import MalformedMapping, MappingMissing
from tests.conftest import World, act

GOOD: dict[str, Any] = {
    "fields": {"reference": "R", "day": "D", "points": "P", "kind": "K"}, "kinds": {"SALE": "earn", "NOTE": None}
}  # fmt: skip
WITHOUT_KIND = {"reference": "R", "day": "D", "points": "P"}


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ([], "a JSON object"),
        ({}, "fields: say which"),
        ({**GOOD, "colour": "red"}, "'colour' means nothing here"),
        ({**GOOD, "fields": "R"}, "fields: this is not an object"),
        ({**GOOD, "signed_points": 1}, "signed_points: this is not true or false"),
        ({**GOOD, "format": "xls"}, "format: give one of 'csv', 'jsonl'"),
        ({**GOOD, "encoding": "rot13"}, "encoding: give one of"),
        ({**GOOD, "delimiter": ""}, "delimiter: give one of"),
        ({**GOOD, "decimal_separator": ",", "thousands_separator": ","}, "this is the decimal separator"),
        ({**GOOD, "time_zone": "London"}, "time_zone: give a name such as Europe/London"),
        ({**GOOD, "date_format": "yesterday"}, "date_format: give `iso`"),
        ({**GOOD, "date_format": "%d%"}, "date_format: give `iso`"),
        ({**GOOD, "date_format": "%Q"}, "date_format: give `iso`"),
        ({**GOOD, "date_format": "%d" * 100}, "date_format: this is longer"),
        ({**GOOD, "date_format": "%Y-%m-%d %T"}, "date_format: give `iso`"),
        ({**GOOD, "date_format": "%d%%%m.%Y"}, "date_format: give `iso`"),
        ({**GOOD, "date_format": "%d.%m.%Y %d"}, "date_format: a part of it stands there twice"),
        ({**GOOD, "date_format": "%d.%m.%Y\0"}, "date_format: give `iso`"),
        ({**GOOD, "fields": {**GOOD["fields"], "till": "T"}}, "fields.till: there are reference, day"),
        ({**GOOD, "fields": {**GOOD["fields"], "points": 5}}, "fields.points: give 1 to 100"),
        ({**GOOD, "fields": {**GOOD["fields"], "points": ""}}, "fields.points: give 1 to 100"),
        ({**GOOD, "constants": {"points": "5"}}, "constants.points: there are kind"),
        ({**GOOD, "constants": {"kind": "earn"}}, "kind: this is a field and a constant"),
        ({"fields": WITHOUT_KIND}, "kind: say where it stands"),
        ({"fields": WITHOUT_KIND, "constants": {"kind": "SALE"}}, "constants.kind: give one of earn, burn"),
        ({**GOOD, "fields": {"day": "D", "points": "P", "kind": "K"}}, "lines are found by"),
        ({**GOOD, "fields": {**GOOD["fields"], "amount": "A"}}, "amount and currency go together"),
        ({**GOOD, "fields": {**GOOD["fields"], "amount": "A"}, "constants": {"currency": "XXX"}}, "constants.currency"),
        ({**GOOD, "kinds": {"SALE": "sold"}}, "kinds.SALE: give one of"),
        ({**GOOD, "kinds": {"SALE": ["earn"]}}, "kinds.SALE: give one of"),
        ({**GOOD, "kinds": {"SALE\0": "earn"}}, "kinds: a word of the file is 1 to 100 printable"),
        ({**GOOD, "kinds": {"": "earn"}}, "kinds: a word of the file is 1 to 100 printable"),
        ({**GOOD, "kinds": {str(n): "earn" for n in range(51)}}, "more than 50"),
        ({**GOOD, "member_by": "name"}, "member_by: give one of 'member_id', 'card'"),
    ],
)  # fmt: skip
def test_a_mapping_that_is_wrong_is_refused_by_what_is_wrong(said: Any, fault: str) -> None:
    with pytest.raises(MalformedMapping, match=fault):
        mappings.parse(said)


def test_a_change_is_a_new_version_and_the_same_again_is_not(world: World) -> None:
    partner_id = world.partner("grocer").partner_id
    said = act(world.keyring, reason="agreed", by="Ann")
    with world.transaction() as session:
        with pytest.raises(MappingMissing):
            mappings.current(session, partner_id)
        made = [
            mappings.put(session, said, partner_id=partner_id, said=one).version
            for one in (GOOD, GOOD, {**GOOD, "delimiter": ";"}, GOOD)
        ]
        assert made == [1, 1, 2, 3]
        found = mappings.current(session, partner_id)
    assert (found.mapping, found.set_by) == (mappings.parse(GOOD), "Ann")
    with pytest.raises(DBAPIError), world.transaction() as session:
        session.execute(text("DELETE FROM settlement.partner_mapping"))
