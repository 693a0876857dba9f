"""Agreements, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Agreement(Answer):
    """From `since` until the day before `until`, what is agreed with a partner about its points."""

    # Minor units for each point burned elsewhere, as a decimal with up to 8 places.
    redemption_price_minor: str
    # The ISO 4217 code of the currency that all of it is agreed in.
    currency: str
    # on_burn: the issuer owes the redeemer when a point is burned. on_earn: the issuer owes the coalition's fund when …
    funding: str
    # Minor units that the issuer owes the fund for each point issued, as a decimal: above 0 with on_earn, 0 with …
    issue_price_minor: str
    # The coalition's fee for each point issued, in minor units, as a decimal.
    fee_per_point_minor: str
    # The coalition's fee in per cent of what the issuer is charged for points.
    fee_percent: str
    # The least that the coalition's fees come to in a settlement cycle, in minor units.
    fee_minimum_minor: int
    # With on_earn: what the issuer gets back for each point that expires, in per cent of the issue price.
    breakage_share_percent: str
    # VAT on the coalition's fees, in per cent.
    vat_percent: str
    # How often the partner settles.
    cycle: str
    # How much may be issued and not funded, in minor units. Without it there is no limit.
    exposure_limit_minor: int | None
    # What the partner deposited, in minor units.
    deposit_minor: int
    # The legal entity that settles.
    legal_name: str | None
    # Its address.
    legal_address: str | None
    # Its tax or VAT number.
    tax_id: str | None
    # The IBAN of its account.
    iban: str | None
    # The BIC of its bank.
    bic: str | None
    agreement_id: str
    partner_id: str
    # The number of this agreement among the partner's agreements
    version: int
    since: date | None
    until: date | None
    created_at: datetime
