"""Settlement reports, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal

from coalition_client.models.admin_settlement_reports import (
    BreakageReport,
    ClaimsReport,
    ExposureReport,
    LiabilityReport,
    MatrixReport,
    MovementsReport,
    ReportOfDay,
    ReportOfPeriod,
)
from coalition_client.transport import Call, Transport, path, query


class AdminSettlementReports:
    """Settlement reports, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def period(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
        partner: str | None = None,
        counterparty: str | None = None,
        by: Literal["store"] | None = None,
    ) -> ReportOfPeriod:
        """Get who owes whom for a span of settled days.

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        partner: Only what this party owes and is owed: a partner's code, or `coalition`
        counterparty: Of that, what is between it and this one
        by: `store`: also what fell to each store, and to none that was named
        """
        return self._transport.one(
            ReportOfPeriod,
            Call(
                method="GET",
                path="/v1/admin/settlement/period",
                query=query(
                    first_day=first_day,
                    last_day=last_day,
                    month=month,
                    week=week,
                    quarter=quarter,
                    partner=partner,
                    counterparty=counterparty,
                    by=by,
                ),
            ),
        )

    def period_file(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
        partner: str | None = None,
        counterparty: str | None = None,
        by: Literal["store"] | None = None,
        format: Literal["csv", "xlsx", "svg"] | None = None,
    ) -> Iterator[bytes]:
        """Get who owes whom for a span of settled days, as a file: CSV, XLSX or a picture (SVG).

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        partner: Only what this party owes and is owed: a partner's code, or `coalition`
        counterparty: Of that, what is between it and this one
        by: `store`: also what fell to each store, and to none that was named
        """
        return self._transport.file(
            Call(
                method="GET",
                path="/v1/admin/settlement/period/file",
                query=query(
                    first_day=first_day,
                    last_day=last_day,
                    month=month,
                    week=week,
                    quarter=quarter,
                    partner=partner,
                    counterparty=counterparty,
                    by=by,
                    format=format,
                ),
            )
        )

    def matrix(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
    ) -> MatrixReport:
        """Get whose points were redeemed where.

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        """
        return self._transport.one(
            MatrixReport,
            Call(
                method="GET",
                path="/v1/admin/settlement/matrix",
                query=query(first_day=first_day, last_day=last_day, month=month, week=week, quarter=quarter),
            ),
        )

    def matrix_file(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
        format: Literal["csv", "xlsx", "svg"] | None = None,
    ) -> Iterator[bytes]:
        """Get whose points were redeemed where, as a file: CSV, XLSX or a picture (SVG).

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        """
        return self._transport.file(
            Call(
                method="GET",
                path="/v1/admin/settlement/matrix/file",
                query=query(
                    first_day=first_day, last_day=last_day, month=month, week=week, quarter=quarter, format=format
                ),
            )
        )

    def liability(self, *, on: date | None = None) -> LiabilityReport:
        """Get what outstanding points come to, by issuer and age.

        Needs the scope `admin:read`.

        on: If you leave it out: the last settled day
        """
        return self._transport.one(
            LiabilityReport,
            Call(
                method="GET",
                path="/v1/admin/settlement/liability",
                query=query(on=on),
            ),
        )

    def liability_file(
        self, *, on: date | None = None, format: Literal["csv", "xlsx", "svg"] | None = None
    ) -> Iterator[bytes]:
        """Get what outstanding points come to, by issuer and age, as a file: CSV, XLSX or a picture (SVG).

        Needs the scope `admin:read`.

        on: If you leave it out: the last settled day
        """
        return self._transport.file(
            Call(
                method="GET",
                path="/v1/admin/settlement/liability/file",
                query=query(on=on, format=format),
            )
        )

    def breakage(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
    ) -> BreakageReport:
        """Get the points that expired, and of those outstanding how many are expected to.

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        """
        return self._transport.one(
            BreakageReport,
            Call(
                method="GET",
                path="/v1/admin/settlement/breakage",
                query=query(first_day=first_day, last_day=last_day, month=month, week=week, quarter=quarter),
            ),
        )

    def breakage_file(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
        format: Literal["csv", "xlsx", "svg"] | None = None,
    ) -> Iterator[bytes]:
        """Get the points that expired, and of those outstanding how many are expected to, as a file: CSV, XLSX or a
        picture (SVG).

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        """
        return self._transport.file(
            Call(
                method="GET",
                path="/v1/admin/settlement/breakage/file",
                query=query(
                    first_day=first_day, last_day=last_day, month=month, week=week, quarter=quarter, format=format
                ),
            )
        )

    def movements(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
    ) -> MovementsReport:
        """Get how points moved, by issuer and month of issue, in points and money.

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        """
        return self._transport.one(
            MovementsReport,
            Call(
                method="GET",
                path="/v1/admin/settlement/movements",
                query=query(first_day=first_day, last_day=last_day, month=month, week=week, quarter=quarter),
            ),
        )

    def movements_file(
        self,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        month: str | None = None,
        week: str | None = None,
        quarter: str | None = None,
        format: Literal["csv", "xlsx", "svg"] | None = None,
    ) -> Iterator[bytes]:
        """Get how points moved, by issuer and month of issue, in points and money, as a file: CSV, XLSX or a picture
        (SVG).

        Needs the scope `admin:read`.

        first_day: The first day, with `last_day`
        month: In place of both: a month
        week: Or a week from Monday on (ISO 8601)
        quarter: Or a quarter
        """
        return self._transport.file(
            Call(
                method="GET",
                path="/v1/admin/settlement/movements/file",
                query=query(
                    first_day=first_day, last_day=last_day, month=month, week=week, quarter=quarter, format=format
                ),
            )
        )

    def exposure(self, *, partner: str | None = None) -> ExposureReport:
        """Get what issuers owe now for points that nothing covers, and their limits.

        Needs the scope `admin:read`.

        partner: Only what this party owes and is owed: a partner's code, or `coalition`
        """
        return self._transport.one(
            ExposureReport,
            Call(
                method="GET",
                path="/v1/admin/settlement/exposure",
                query=query(partner=partner),
            ),
        )

    def exposure_file(
        self, *, partner: str | None = None, format: Literal["csv", "xlsx", "svg"] | None = None
    ) -> Iterator[bytes]:
        """Get what issuers owe now for points that nothing covers, and their limits, as a file: CSV, XLSX or a picture
        (SVG).

        Needs the scope `admin:read`.

        partner: Only what this party owes and is owed: a partner's code, or `coalition`
        """
        return self._transport.file(
            Call(
                method="GET",
                path="/v1/admin/settlement/exposure/file",
                query=query(partner=partner, format=format),
            )
        )

    def claims(self) -> ClaimsReport:
        """Get what was paid in the place of partners in default.

        Needs the scope `admin:read`.
        """
        return self._transport.one(
            ClaimsReport,
            Call(
                method="GET",
                path="/v1/admin/settlement/claims",
            ),
        )

    def claims_file(self, *, format: Literal["csv", "xlsx", "svg"] | None = None) -> Iterator[bytes]:
        """Get what was paid in the place of partners in default, as a file: CSV, XLSX or a picture (SVG).

        Needs the scope `admin:read`.
        """
        return self._transport.file(
            Call(
                method="GET",
                path="/v1/admin/settlement/claims/file",
                query=query(format=format),
            )
        )

    def of_day(self, day: str) -> ReportOfDay:
        """Get who owes whom for a settled day, and how it is paid.

        Needs the scope `admin:read`.

        day: A day in UTC.
        """
        return self._transport.one(
            ReportOfDay,
            Call(
                method="GET",
                path=path("/v1/admin/settlement/days/{day}", day=day),
            ),
        )

    def file_of_day(self, day: str, *, format: Literal["csv", "xlsx", "svg"] | None = None) -> Iterator[bytes]:
        """Get who owes whom for a settled day as a file: CSV, XLSX or a picture (SVG).

        Needs the scope `admin:read`.

        day: A day in UTC.
        """
        return self._transport.file(
            Call(
                method="GET",
                path=path("/v1/admin/settlement/days/{day}/file", day=day),
                query=query(format=format),
            )
        )
