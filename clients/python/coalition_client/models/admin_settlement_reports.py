"""Settlement reports, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Cell:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    issuer: str
    # The party's name
    redeemer: str
    points: int


@dataclass(frozen=True, kw_only=True)
class NetOfPeriod:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    partner: str


@dataclass(frozen=True, kw_only=True)
class OwedAtLocation:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    payer: str
    # The party's name
    payee: str
    points: int
    kind: str
    # The party's name
    location_of: str | None
    location_code: str | None
    # The store's id; null: no store was named
    location: str | None


@dataclass(frozen=True, kw_only=True)
class OwedOfPeriod:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    payer: str
    # The party's name
    payee: str
    points: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class PaidOfPeriod:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    payer: str
    # The party's name
    payee: str


@dataclass(frozen=True, kw_only=True)
class ReportOfPeriod(Answer):
    """Who owes whom for a span of settled days, by name; payments of the runs that ended in it."""

    first_day: date
    last_day: date
    obligations: tuple[OwedOfPeriod, ...]
    net_positions: tuple[NetOfPeriod, ...]
    payments: tuple[PaidOfPeriod, ...]
    matrix: tuple[Cell, ...]
    # The obligations by store, where `by` asked for that
    by_location: tuple[OwedAtLocation, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class MatrixReport(Answer):
    """"""

    title: str
    # How to read it; may be empty
    note: str
    data: tuple[MatrixRow, ...]


@dataclass(frozen=True, kw_only=True)
class MatrixRow:
    """"""

    issuer: str
    redeemer: str
    points: int
    currency: str | None
    amount_minor: int | None


@dataclass(frozen=True, kw_only=True)
class LiabilityReport(Answer):
    """"""

    title: str
    # How to read it; may be empty
    note: str
    data: tuple[LiabilityRow, ...]


@dataclass(frozen=True, kw_only=True)
class LiabilityRow:
    """"""

    issuer: str
    carried_by: str
    age_months: str
    currency: str | None
    points: int
    value_minor: int | None


@dataclass(frozen=True, kw_only=True)
class BreakageReport(Answer):
    """"""

    title: str
    # How to read it; may be empty
    note: str
    data: tuple[BreakageRow, ...]


@dataclass(frozen=True, kw_only=True)
class BreakageRow:
    """"""

    issuer: str
    currency: str | None
    outstanding_points: int
    outstanding_minor: int | None
    expected_points: int
    expected_minor: int | None
    booked_points: int
    booked_minor: int | None
    shared_minor: int | None


@dataclass(frozen=True, kw_only=True)
class MovementsReport(Answer):
    """"""

    title: str
    # How to read it; may be empty
    note: str
    data: tuple[MovementsRow, ...]


@dataclass(frozen=True, kw_only=True)
class MovementsRow:
    """"""

    issuer: str
    month: str
    carried_by: str
    currency: str | None
    opening_points: int
    issued_points: int
    redeemed_points: int
    expired_points: int
    repriced_points: int
    closing_points: int
    opening_minor: int | None
    issued_minor: int | None
    redeemed_minor: int | None
    expired_minor: int | None
    repriced_minor: int | None
    closing_minor: int | None


@dataclass(frozen=True, kw_only=True)
class ExposureReport(Answer):
    """"""

    title: str
    # How to read it; may be empty
    note: str
    data: tuple[ExposureRow, ...]


@dataclass(frozen=True, kw_only=True)
class ExposureRow:
    """"""

    partner: str
    currency: str | None
    outstanding_points: int
    outstanding_minor: int | None
    unpaid_minor: int | None
    accrued_minor: int | None
    deposit_minor: int | None
    exposure_minor: int | None
    limit_minor: int | None
    percent: int | None
    unfunded_points: int


@dataclass(frozen=True, kw_only=True)
class ClaimsReport(Answer):
    """"""

    title: str
    # How to read it; may be empty
    note: str
    data: tuple[ClaimsRow, ...]


@dataclass(frozen=True, kw_only=True)
class ClaimsRow:
    """"""

    partner: str
    currency: str | None
    deposit_minor: int | None
    coalition_minor: int | None


@dataclass(frozen=True, kw_only=True)
class Net:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    partner: str


@dataclass(frozen=True, kw_only=True)
class OwedOfDay:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    payer: str
    # The party's name
    payee: str
    points: int


@dataclass(frozen=True, kw_only=True)
class Paid:
    """"""

    currency: str
    amount_minor: int
    # The party's name
    payer: str
    # The party's name
    payee: str


@dataclass(frozen=True, kw_only=True)
class ReportOfDay(Answer):
    """Who owes whom for a settled day, by name, and how it is paid."""

    day: date
    content_hash: str
    obligations: tuple[OwedOfDay, ...]
    net_positions: tuple[Net, ...]
    payments: tuple[Paid, ...]
    set_aside: tuple[SetAside, ...]
    shortfall: tuple[Shortfall, ...]


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """"""

    # The party's name
    payer: str
    # The party's name
    payee: str
    points: int
    issued_on: date
    # Why
    code: str
    # The day that took them in, if one has
    settled_on: date | None


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """"""

    # The party's name
    partner: str
    points: int
