"""/v1/admin/settlement: who owes whom, and what points come to, as data and as files. It only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import IO, Any, NamedTuple
from uuid import UUID

import marshmallow as ma
from flask import Response

from api import downloads
from api.auth import requires
from api.settled import HASH, PARTY
from api.v1.admin.common import PREFIX, READ, line
from coalition.point_movements import MovementsDiffer
from kit.db import DatabaseUnavailable, Session
from kit.errors import CoalitionError, Invalid, Unavailable
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import OPTIONAL
from kit.http.services import services
from kit.statement_limits import limit_statements, took_too_long
from partners import accounts
from settlement import defaults, exposure, figures, flows, periods, statements
from settlement.accounting import breakage, liability, movements
from settlement.cycles import Span
from settlement.files import reports
from settlement.files.reports import Report
from settlement.files.workbook import SheetTooLong
from settlement.kinds import KINDS
from settlement.periods import Asked, MalformedPeriod
from settlement.reports import DayNotSettled
from settlement.spans import SpanRefused
from settlement.tables import CURRENCY, MONEY, NUMBER, Column

admin_settlement_reports_api = Blueprint(
    "admin-settlement-reports",
    __name__,
    url_prefix=f"{PREFIX}/settlement",
    description="Settlement reports, for the admin",
)
LONGEST_STATEMENT_MS = 15_000
MOST_ROWS = 20_000
_WHEN, _CODE = 10, 64  # characters
Problems = tuple[type[CoalitionError], ...]


class ReportTooSlow(Unavailable):
    code = "report_too_slow"
    title = "Report too slow"
    description = "The report reads more postings than a request has time for. We stopped it."
    remedy = (
        "Ask for fewer days, or at a quieter time. Whoever runs the coalition can make the same report with `coalition "
        "settlement`, which may take as long as it needs."
    )


class ReportTooLong(Invalid):
    code = "report_too_long"
    title = "Report too long"
    description = f"The report has more than {MOST_ROWS} rows, too many for one answer in JSON."
    remedy = "Ask for fewer days, or take the report as a file: add /file to the path."


@contextmanager
def bounded() -> Iterator[Session]:
    """A transaction that only reads, and in which no statement takes long; raises ReportTooSlow."""
    try:
        with services().reading() as session:
            limit_statements(session, LONGEST_STATEMENT_MS)
            yield session
    except DatabaseUnavailable as error:
        if took_too_long(error):
            raise ReportTooSlow("this takes longer than a request may") from error
        raise


class NoQuery(ma.Schema):
    """Nothing is asked for but the report."""


class SpanQuery(ma.Schema):
    """The days of a report."""

    first_day = ma.fields.Date(metadata={"description": "The first day, with `last_day`"})
    last_day = ma.fields.Date()
    month = line(_WHEN, metadata={"description": "In place of both: a month", "example": "2026-03"})
    week = line(_WHEN, metadata={"description": "Or a week from Monday on (ISO 8601)", "example": "2026-W10"})
    quarter = line(_WHEN, metadata={"description": "Or a quarter", "example": "2026-Q1"})


_ONLY = {**PARTY, "description": "Only what this party owes and is owed: a partner's code, or `coalition`"}


class PeriodQuery(SpanQuery):
    """The days of a report, and whose."""

    partner = line(_CODE, metadata=_ONLY)
    counterparty = line(_CODE, metadata={**PARTY, "description": "Of that, what is between it and this one"})
    by = ma.fields.String(
        validate=ma.validate.OneOf(("store",)),
        metadata={"description": "`store`: also what fell to each store, and to none that was named"},
    )


class DayQuery(ma.Schema):
    """The day of a report."""

    on = ma.fields.Date(metadata={"description": "If you leave it out: the last settled day"})


class PartnerQuery(ma.Schema):
    """Whose figures."""

    partner = line(_CODE, metadata=_ONLY)


def _sum(**more: Any) -> dict[str, Any]:
    return {"currency": ma.fields.String(), "amount_minor": ma.fields.Integer(), **more}


_NAME = {"description": "The party's name", "example": "Greengrocer"}
_POINTS = {"points": ma.fields.Integer()}
_ENDS = {"payer": ma.fields.String(metadata=_NAME), "payee": ma.fields.String(metadata=_NAME)}
_KIND = {"kind": ma.fields.String(metadata={"enum": list(KINDS), "example": "redemption"})}


def _many(name: str, fields: dict[str, Any]) -> ma.fields.List[Any]:
    return ma.fields.List(ma.fields.Nested(ma.Schema.from_dict(fields, name=name)))


class ReportOfDaySchema(ma.Schema):
    schema_description = "Who owes whom for a settled day, by name, and how it is paid."

    day = ma.fields.Date()
    content_hash = ma.fields.String(metadata=HASH)
    obligations = _many("OwedOfDaySchema", _sum(**_ENDS, **_POINTS))
    net_positions = _many("NetSchema", _sum(partner=ma.fields.String(metadata=_NAME)))
    payments = _many("PaidSchema", _sum(**_ENDS))
    set_aside = _many(
        "SetAsideSchema",
        {
            **_ENDS,
            **_POINTS,
            "issued_on": ma.fields.Date(),
            "code": ma.fields.String(metadata={"description": "Why", "example": "agreement_missing"}),
            "settled_on": ma.fields.Date(
                allow_none=True, metadata={"description": "The day that took them in, if one has"}
            ),
        },
    )
    shortfall = _many("ShortfallSchema", {"partner": ma.fields.String(metadata=_NAME), **_POINTS})


class ReportOfPeriodSchema(ma.Schema):
    schema_description = "Who owes whom for a span of settled days, by name; payments of the runs that ended in it."

    first_day = ma.fields.Date()
    last_day = ma.fields.Date()
    obligations = _many("OwedOfPeriodSchema", _sum(**_ENDS, **_POINTS, **_KIND))
    net_positions = _many("NetOfPeriodSchema", _sum(partner=ma.fields.String(metadata=_NAME)))
    payments = _many("PaidOfPeriodSchema", _sum(**_ENDS))
    matrix = _many(
        "CellSchema",
        _sum(issuer=ma.fields.String(metadata=_NAME), redeemer=ma.fields.String(metadata=_NAME), **_POINTS),
    )
    by_location = ma.fields.List(
        ma.fields.Nested(
            ma.Schema.from_dict(
                _sum(
                    **_ENDS, **_POINTS, **_KIND,
                    location_of=ma.fields.String(allow_none=True, metadata=_NAME),
                    location_code=ma.fields.String(allow_none=True, metadata={"example": "L-17"}),
                    location=ma.fields.String(
                        allow_none=True, metadata={"description": "The store's id; null: no store was named"}
                    ),
                ),
                name="OwedAtLocationSchema",
            )
        ),
        metadata={"description": "The obligations by store, where `by` asked for that", OPTIONAL: True},
    )  # fmt: skip


def _field(column: Column) -> ma.fields.Field[Any]:
    if column.kind in (NUMBER, MONEY):
        # Without a currency there is no amount, and without a limit no per cent of it.
        may_be_none = column.kind == MONEY or not column.name.endswith("points")
        return ma.fields.Integer(allow_none=may_be_none, metadata={"example": 1066})
    return ma.fields.String(allow_none=column is CURRENCY)


def table_schema(name: str, columns: Sequence[Column]) -> type[ma.Schema]:
    """The schema of an answer that is a table."""
    row = ma.Schema.from_dict({one.name: _field(one) for one in columns}, name=f"{name}RowSchema")
    fields: dict[str, Any] = {
        "title": ma.fields.String(),
        "note": ma.fields.String(metadata={"description": "How to read it; may be empty", "example": ""}),
        "data": ma.fields.List(ma.fields.Nested(row)),
    }
    return ma.Schema.from_dict(fields, name=f"{name}ReportSchema")


class Kind(NamedTuple):
    """A report that has a path of its own: how it is asked for, made and answered, and what can go wrong."""

    path: str
    name: str
    summary: str
    query: type[ma.Schema]
    schema: type[ma.Schema]
    make: Callable[..., Report]
    problems: Problems


def _span(query: dict[str, Any]) -> Span:
    return periods.chosen(
        first=query.get("first_day"), last=query.get("last_day"), week_of=query.get("week"),
        month_of=query.get("month"), quarter_of=query.get("quarter"),
    )  # fmt: skip


def _asked(session: Session, query: dict[str, Any]) -> Asked:
    party, other = (
        statements.party_id(session, query[name]) if name in query else None for name in ("partner", "counterparty")
    )
    return Asked(party, other, by_location="by" in query)


def _issuer(session: Session, query: dict[str, Any]) -> UUID | None:
    return statements.party_id(session, query["partner"]) if "partner" in query else None


_SPAN: Problems = (MalformedPeriod, SpanRefused, DayNotSettled)
KINDS_OF_REPORT = (
    Kind(
        "/period", "period", "Get who owes whom for a span of settled days.", PeriodQuery, ReportOfPeriodSchema,
        lambda session, query: figures.of_period(session, _span(query), _asked(session, query)),
        (*_SPAN, accounts.PartnerNotFound),
    ),
    Kind(
        "/matrix", "matrix", "Get whose points were redeemed where.", SpanQuery,
        table_schema("Matrix", flows.COLUMNS), lambda session, query: figures.matrix(session, _span(query)), _SPAN,
    ),
    Kind(
        "/liability", "liability", "Get what outstanding points come to, by issuer and age.", DayQuery,
        table_schema("Liability", liability.COLUMNS),
        lambda session, query: figures.liability(session, query.get("on")),
        (DayNotSettled, SpanRefused, MovementsDiffer),
    ),
    Kind(
        "/breakage", "breakage", "Get the points that expired, and of those outstanding how many are expected to.",
        SpanQuery, table_schema("Breakage", breakage.COLUMNS),
        lambda session, query: figures.breakage(session, _span(query)), (*_SPAN, MovementsDiffer),
    ),
    Kind(
        "/movements", "movements", "Get how points moved, by issuer and month of issue, in points and money.",
        SpanQuery, table_schema("Movements", movements.COLUMNS),
        lambda session, query: figures.movements(session, _span(query)), (*_SPAN, MovementsDiffer),
    ),
    Kind(
        "/exposure", "exposure", "Get what issuers owe now for points that nothing covers, and their limits.",
        PartnerQuery, table_schema("Exposure", exposure.COLUMNS),
        lambda session, query: figures.exposure(session, _issuer(session, query)), (accounts.PartnerNotFound,),
    ),
    Kind(
        "/claims", "claims", "Get what was paid in the place of partners in default.", NoQuery,
        table_schema("Claims", defaults.COLUMNS), lambda session, query: figures.claims(session), (),
    ),
)  # fmt: skip
FORM = ma.fields.String(load_default="csv", validate=ma.validate.OneOf(reports.FILES))


def _data(made: Report) -> dict[str, Any]:
    """A report as it is answered; raises ReportTooLong."""
    rows = sum(len(part) for part in made.data.values() if isinstance(part, list))
    if rows > MOST_ROWS:
        raise ReportTooLong(f"there are {rows} rows")
    return dict(made.data)


def _file(make: Callable[[Session], Report], form: str) -> Response:
    def write(out: IO[bytes]) -> str:
        with bounded() as session:
            made = make(session)
        reports.write(made, form, out)
        return reports.file_name(made, form)

    return downloads.download(write, form)


def _serve(kind: Kind) -> None:
    """The report's two routes: as data, and as a file."""

    def data(query: dict[str, Any]) -> dict[str, Any]:
        with bounded() as session:
            made = kind.make(session, query)
        return _data(made)

    def file(query: dict[str, Any]) -> Response:
        form = query.pop("format")
        return _file(lambda session: kind.make(session, query), form)

    noun = admin_settlement_reports_api
    data.__name__, file.__name__ = kind.name, f"{kind.name}_file"
    shown = noun.response(200, kind.schema)(noun.arguments(kind.query(), location="query")(data))
    shown = fails_with(ReportTooSlow, ReportTooLong, *kind.problems)(shown)
    noun.get(kind.path)(noun.doc(summary=kind.summary)(requires(noun, READ)(shown)))
    query = kind.query.from_dict({"format": FORM}, name=f"{kind.name.title()}FileQuery")
    sent = noun.arguments(query(), location="query")(file)
    sent = fails_with(ReportTooSlow, SheetTooLong, *kind.problems)(sent)
    told = noun.doc(
        summary=f"{kind.summary.removesuffix('.')}, as a file: CSV, XLSX or a picture (SVG).",
        responses=downloads.described(*reports.FILES),
    )
    noun.get(f"{kind.path}/file")(told(requires(noun, READ)(sent)))


for _kind in KINDS_OF_REPORT:
    _serve(_kind)


class FileQuery(ma.Schema):
    """Which file is wanted."""

    format = FORM


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise MalformedPeriod("a day is written as in 2026-03-02") from None


@admin_settlement_reports_api.get("/days/<day>")
@admin_settlement_reports_api.doc(summary="Get who owes whom for a settled day, and how it is paid.")
@requires(admin_settlement_reports_api, READ)
@fails_with(DayNotSettled, MalformedPeriod, ReportTooSlow, ReportTooLong)
@admin_settlement_reports_api.response(200, ReportOfDaySchema)
def of_day(day: str) -> dict[str, Any]:
    with bounded() as session:
        made = figures.of_day(session, _day(day))
    return _data(made)


@admin_settlement_reports_api.get("/days/<day>/file")
@requires(admin_settlement_reports_api, READ)
@fails_with(DayNotSettled, MalformedPeriod, ReportTooSlow, SheetTooLong)
@admin_settlement_reports_api.arguments(FileQuery(), location="query")
@admin_settlement_reports_api.doc(
    summary="Get who owes whom for a settled day as a file: CSV, XLSX or a picture (SVG).",
    responses=downloads.described(*reports.FILES),
)
def file_of_day(query: dict[str, Any], day: str) -> Response:
    return _file(lambda session: figures.of_day(session, _day(day)), query["format"])
