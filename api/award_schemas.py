"""The shapes of awards: how an earn names them, and how they are shown."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from coalition import ledger
from kit import ids
from kit.http.fields import Id, Instant, WholeNumber


def _name_of(what: str) -> ma.fields.String:
    return ma.fields.String(
        validate=ma.validate.Regexp(rf"^[^\x00-\x1f\x7f]{{1,{ledger.LONGEST_NAME}}}\Z"), metadata={"description": what}
    )


class AwardSchema(ma.Schema):
    schema_description = (
        "Points of an earn that one issuer funds. They stay separate from the other points until they are spent or "
        "expire."
    )

    points = WholeNumber(least=1, most=ledger.LARGEST_POSTING, required=True)
    issuer_id = Id(
        ids.PARTNER,
        metadata={
            "description": "The issuer that funds the points and permits you to award them. If you leave it out: you."
        },
    )
    expires_on = ma.fields.Date(
        metadata={
            "description": (
                "The first day on which the points can no longer be spent. If you leave it out: as the programme's "
                "rule says."
            )
        }
    )
    vests_at = Instant(metadata={"description": "When the points vest. If you leave it out: as the earn says."})
    campaign = _name_of("What you award the points for, in your own words")
    rule = _name_of("The rule and its version, in your own words")


class AwardShownSchema(ma.Schema):
    schema_description = "An award of an earn that named its awards."

    points = ma.fields.Integer()
    issuer_id = Id(ids.PARTNER)
    expires_on = ma.fields.Date()
    vests_at = ma.fields.AwareDateTime(allow_none=True)
    campaign = ma.fields.String(allow_none=True)
    rule = ma.fields.String(allow_none=True)


def show_award(award: ledger.Award) -> dict[str, Any]:
    """What AwardShownSchema dumps."""
    return {
        "points": award.points,
        "issuer_id": award.issuer_id and ids.show(ids.PARTNER, award.issuer_id),
        "expires_on": award.expires_on and award.expires_on.isoformat(),
        "vests_at": award.vests_at and award.vests_at.isoformat(),
        "campaign": award.campaign,
        "rule": award.rule,
    }
