"""/awards: a partner's admin permits other partners to award its points, and takes that back."""

from __future__ import annotations

from uuid import UUID

from flask import Response

from console import pages
from console.audit import act
from console.partner.access import StaffMember, asks
from identity.permissions import PERMIT_AWARDS, SEE_AWARD_PERMISSIONS
from kit.errors import CoalitionError
from kit.http.problems import status_of
from kit.http.services import services
from kit.translation import gettext as _
from kit.translation import marked
from partners import accounts, award_permissions
from partners.award_permissions import AwardLimitOutOfRange, AwardPermissionExists, NotAnIssuer

award_pages = pages.blueprint("awards", __name__)
MOST_SHOWN = 1_000
LONGEST_NUMBER = 12
# What can be wrong with a form, and is said above it.
_WRONG = (
    accounts.PartnerNotFound, accounts.PartnerGone, AwardLimitOutOfRange, AwardPermissionExists, NotAnIssuer,
)  # fmt: skip


@award_pages.get("/awards")
@asks(SEE_AWARD_PERMISSIONS)
def show(by: StaffMember) -> Response:
    """Whom the partner permits to award its points, and who permits it."""
    return _page(by)


@award_pages.post("/awards")
@asks(PERMIT_AWARDS)
def give(by: StaffMember) -> Response:
    """Permit a partner, by its code. Raises MalformedForm."""
    given = pages.form("partner", "most")
    try:
        with services().writing() as session:
            award_permissions.give(
                session,
                act(by.visitor),
                issuer_id=by.partner_id,
                partner_id=accounts.by_code(session, given["partner"].strip()[:64]).partner_id,
                most_per_award=_number(given["most"]),
            )
    except _WRONG as error:
        return _page(by, wrong=error)
    return pages.see("/awards")


@award_pages.post("/awards/<uuid:permission_id>/withdraw")
@asks(PERMIT_AWARDS)
def withdraw(by: StaffMember, permission_id: UUID) -> Response:
    """Take one permission back; no award follows. Raises AwardPermissionNotFound."""
    with services().writing() as session:
        award_permissions.withdraw(session, act(by.visitor), permission_id=permission_id, issuer_id=by.partner_id)
    return pages.see("/awards")


def _number(given: str) -> int:
    digits = given.strip().replace(",", "")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > LONGEST_NUMBER:
        raise AwardLimitOutOfRange(marked("enter a whole number of points"))
    return int(digits)


def _page(by: StaffMember, wrong: CoalitionError | None = None) -> Response:
    with services().reading() as session:
        found = award_permissions.of_partner(session, partner_id=by.partner_id, limit=MOST_SHOWN)
        names = {each.partner_id: each.name for each in accounts.everybody(session)}
        may_change = by.may(session, PERMIT_AWARDS)
    return pages.page(
        "awards.html",
        title=_("Awards of your points"),
        status=200 if wrong is None else status_of(type(wrong)),
        wrong=wrong and pages.told(wrong),
        given=[each for each in found if each.issuer_id == by.partner_id],
        received=[each for each in found if each.partner_id == by.partner_id],
        names=names,
        may_change=may_change,
    )
