"""Who owes whom for a closed business day, of every kind, with the lines that each amount is made of.

All of it follows from what is closed: the day's postings, the money entries of the day, and the agreements that were
made until it. So whenever a day is calculated, it comes out the same.

What the kinds are, with `P` points and the terms of the agreement that the lot's issuer had when it was issued:

- `redemption`: P × redemption price to the partner that took the points; from the issuer, or, funded on earn, the fund.
- `issue`: funded on earn, P × issue price from the issuer to the fund; negative for points taken back.
- `breakage`: funded on earn, P × issue price × breakage share from the fund to the issuer for points that expired.
- `fee`: from the issuer to the coalition, for points issued and as a share of what it is charged for points.
- `fee_minimum`, `vat`: on the last day of a cycle, what a partner's fees of it lack of the minimum, and the tax on
  them, by the terms that it has then. Fees of a cycle or currency that it had before are taxed like others, and have no
  minimum.
- `promotion`, `adjustment`, `dispute`: entries that were made for the day (settlement.entries).

The fund is the coalition itself, which is a party by its programme's id. An exact sum is rounded once for each payer,
payee, kind and agreement, halves away from zero; its lines are rounded by largest remainder and add up to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from fractions import Fraction
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Result, text

from coalition import business_days, programme
from kit import ids
from kit.db import Session
from settlement import cycles, line_hashes, locations, netting
from settlement.supposed import AGREED, SUPPOSED, Supposed

WITH_LINES = ("redemption", "issue", "breakage")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Obligation:
    """What `payer_id` owes `payee_id` for `day`; negative when what came back outweighs.

    `agreement_id` is that of the lots' issuer, of a fee that of who pays it; None for entries. `cycle` says in which
    run it is settled.
    """

    day: date
    payer_id: UUID
    payee_id: UUID
    kind: str
    agreement_id: UUID | None
    currency: str
    points: int
    amount_minor: int
    cycle: str

    @property
    def key(self) -> tuple[str, ...]:
        """Its place among others, and what tells it from them."""
        return (
            self.day.isoformat(), self.payer_id.hex, self.payee_id.hex, self.kind, self.currency,
            self.agreement_id.hex if self.agreement_id else "",
        )  # fmt: skip


@dataclass(frozen=True)
class Kept(Obligation):
    """An obligation as it was kept, with the SHA-256 over its lines; None: the version before kept no lines."""

    obligation_id: UUID
    lines_digest: bytes | None


# The agreement that a lot's issuer had, as far as it was made until the day that is settled.
_AGREEMENT = """
    JOIN {terms} a ON a.partner_id = m.issuer_id AND a.valid @> m.issued_on
        AND coalesce(a.agreed_on, lower(a.valid)) <= {day}
"""
# Between whom money follows what moved, and for which price, in minor units.
_PAYER = """
    CASE WHEN m.kind = 'breakage' OR (m.kind = 'redemption' AND a.funding = 'on_earn') THEN {fund}
         ELSE m.issuer_id END
"""
_PAYEE = "CASE m.kind WHEN 'redemption' THEN m.partner_id WHEN 'breakage' THEN m.issuer_id ELSE {fund} END"
_PRICE = """
    CASE m.kind WHEN 'redemption' THEN a.redemption_price_minor WHEN 'issue' THEN a.issue_price_minor
                ELSE a.issue_price_minor * a.breakage_share_percent * 0.01 END
"""
# Without what the day's run left out for want of an agreement, and with what it took in of earlier days: redemptions,
# which were set aside, and what else there was before the day's new agreements that hold from an earlier one on.
_LEFT_OUT = """
    m.kind = 'redemption' AND EXISTS (
        SELECT FROM settlement.set_aside s
        WHERE s.day = {day} AND (s.payer_id, s.payee_id, s.issued_on) = (m.issuer_id, m.partner_id, m.issued_on))
"""
_MOVED = """
    SELECT {day} AS posted_on, m.* FROM coalition.{source}({day}) m WHERE NOT ({left_out})
    UNION ALL
    SELECT d.day, m.*
    FROM (SELECT DISTINCT s.day FROM settlement.set_aside s WHERE s.settled_on = {day}) d
    CROSS JOIN LATERAL coalition.{source}(d.day) m
    JOIN settlement.set_aside s ON s.settled_on = {day} AND s.day = d.day AND m.kind = 'redemption'
        AND (s.payer_id, s.payee_id, s.issued_on) = (m.issuer_id, m.partner_id, m.issued_on)
    UNION ALL
    SELECT d.day, m.*
    FROM unnest({late}) d (day)
    CROSS JOIN LATERAL coalition.{source}(d.day) m
    JOIN settlement.agreement l ON l.agreed_on = {day} AND l.partner_id = m.issuer_id AND l.valid @> m.issued_on
    WHERE m.kind <> 'redemption' OR m.partner_id = m.issuer_id
"""
_CYCLE = """
    coalesce((SELECT a.cycle FROM {terms} a
              WHERE a.partner_id = {party} AND a.valid @> {day} AND coalesce(a.agreed_on, lower(a.valid)) <= {day}),
             'daily')
"""


def _sql(template: str, **names: str) -> str:
    """A statement's text: what is filled in are names and places of ours."""
    for name, said in names.items():
        template = template.replace("{" + name + "}", said)
    return template


# Places of SQLAlchemy here, of the driver below.
_BOUND = {"day": "CAST(:day AS date)", "fund": "CAST(:fund AS uuid)", "late": "CAST(:late AS date[])"}
_OBLIGATIONS = _sql(
    """
    WITH moved AS MATERIALIZED ({moved}),
    priced AS (
        SELECT m.kind, m.issuer_id, m.points, {payer} AS payer_id, {payee} AS payee_id, a.agreement_id, a.currency,
               a.funding, a.fee_per_point_minor, a.fee_percent, ({price}) AS price, m.points * ({price}) AS amount
        FROM moved m {agreement}
    ),
    charged AS (
        SELECT payer_id, payee_id, kind, agreement_id, currency, sum(points) AS points, round(sum(amount)) AS amount
        FROM priced
        WHERE payer_id <> payee_id AND (kind = 'redemption' OR (funding = 'on_earn' AND price > 0))
        GROUP BY payer_id, payee_id, kind, agreement_id, currency
        UNION ALL
        SELECT issuer_id, {fund}, 'fee', agreement_id, currency, coalesce(sum(points) FILTER (WHERE kind = 'issue'), 0),
               round(coalesce(sum(points * fee_per_point_minor) FILTER (WHERE kind = 'issue'), 0)
                     + coalesce(sum(amount * fee_percent * 0.01) FILTER (WHERE
                           kind = CASE funding WHEN 'on_earn' THEN 'issue' ELSE 'redemption' END
                           AND payer_id <> payee_id), 0)) AS fee
        FROM priced WHERE issuer_id <> {fund} AND (fee_per_point_minor > 0 OR fee_percent > 0)
        GROUP BY issuer_id, agreement_id, currency
        UNION ALL
        SELECT payer_id, payee_id, kind, NULL, currency, 0, sum(amount_minor)
        FROM settlement.entry WHERE day = {day} GROUP BY payer_id, payee_id, kind, currency
    )
    SELECT {day} AS day, payer_id, payee_id, kind, agreement_id, currency, points::bigint,
           amount::bigint AS amount_minor, {payer_cycle} AS payer_cycle, {payee_cycle} AS payee_cycle
    FROM charged WHERE kind <> 'fee' OR amount <> 0
    """,
    moved=_MOVED, left_out=_LEFT_OUT, agreement=_AGREEMENT, payer=_PAYER, payee=_PAYEE, price=_PRICE, source="flows_on",
    payer_cycle=_sql(_CYCLE, party="payer_id"), payee_cycle=_sql(_CYCLE, party="payee_id"), **_BOUND,
)  # fmt: skip
# A partner's terms on the last day of a cycle, or, if none are in force any more, the last it had; the minimum is for
# whose cycle it is.
_CYCLE_TERMS = """
    SELECT DISTINCT ON (a.partner_id) a.partner_id, a.agreement_id, a.currency, a.vat_percent,
           CASE WHEN a.valid @> CAST(:day AS date) AND a.cycle = :cycle THEN a.fee_minimum_minor ELSE 0 END AS minimum
    FROM {terms} a
    WHERE lower(a.valid) <= :day AND coalesce(a.agreed_on, lower(a.valid)) <= :day
    ORDER BY a.partner_id, lower(a.valid) DESC
"""
_CYCLE_FEES = text("""
    SELECT o.payer_id, o.currency, sum(o.amount_minor)::bigint AS amount_minor FROM settlement.obligation o
    WHERE o.kind = 'fee' AND o.cycle = :cycle AND o.day >= :first AND o.day < :day GROUP BY 1, 2
""")


def calculate(session: Session, day: date, supposed: Supposed | None = None) -> list[Obligation]:
    """All obligations of a closed day, in the order of their keys; what is set aside has been marked before.

    Writes nothing. Of the earlier days of a cycle the fees have to be kept; `supposed` terms bring theirs.
    """
    fund = programme.get(session).programme_id
    bound = {"day": day, "fund": fund, "late": _late_days(session, day)}
    rows = _execute(session, _OBLIGATIONS, bound, supposed)
    found = [
        Obligation(
            row.day, row.payer_id, row.payee_id, row.kind, row.agreement_id, row.currency, row.points,
            row.amount_minor, cycles.longer(row.payer_cycle, row.payee_cycle),
        )
        for row in rows
    ]  # fmt: skip
    for cycle in cycles.ending_on(day):
        found += _cycle_ends(session, day, cycle, fund, found, supposed)
    return sorted(found, key=lambda one: one.key)


def _execute(session: Session, statement: str, bound: dict[str, Any], supposed: Supposed | None) -> Result[Any]:
    if supposed is None:
        return session.execute(text(_sql(statement, terms=AGREED)), bound)
    return session.execute(text(_sql(statement, terms=SUPPOSED)), {**bound, "supposed": supposed.terms})


def _late_days(session: Session, day: date) -> list[date]:
    """The days before `day` that agreements made on it hold for: most often none, and then no history is read."""
    since = text("SELECT min(lower(valid)) FROM settlement.agreement WHERE agreed_on = :day")
    first = session.scalar(since, {"day": day})
    return [] if first is None else [one for one in business_days.closed_after(session, first - ONE_DAY) if one < day]


def _cycle_ends(
    session: Session, day: date, cycle: str, fund: UUID, today: list[Obligation], supposed: Supposed | None
) -> list[Obligation]:
    """What the fees of a cycle lack of their minimum, and the tax on all of them."""
    first = cycles.span(cycle, day).first
    fees: Counter[tuple[UUID, str]] = Counter()
    span = {"first": first, "day": day, "cycle": cycle}
    for payer_id, currency, amount in (
        supposed.fees_of(cycle, first, day) if supposed else session.execute(_CYCLE_FEES, span)
    ):
        fees[payer_id, currency] += amount
    for one in today:
        if (one.kind, one.cycle) == ("fee", cycle):
            fees[one.payer_id, one.currency] += one.amount_minor
    found = []
    for terms in _execute(session, _CYCLE_TERMS, {"day": day, "cycle": cycle}, supposed):
        partner_id = terms.partner_id
        for currency in {of for payer_id, of in fees if payer_id == partner_id} | {terms.currency}:
            charged = fees[partner_id, currency]
            lacking = max(terms.minimum - charged, 0) if terms.minimum and currency == terms.currency else 0
            tax = netting.rounded((charged + lacking) * Fraction(terms.vat_percent) / 100)
            found += [
                Obligation(day, partner_id, fund, kind, terms.agreement_id, currency, 0, amount, cycle)
                for kind, amount in (("fee_minimum", lacking), ("vat", tax))
                if amount
            ]
    return found


# Each posting's share of what is owed for it: rounded down, and what is missing goes to the largest remainders. That is
# decided by flow and size, for such postings have the same price and so the same remainder: `more` is how many postings
# of a remainder get one more, in their order; `given` whether all (1) or none (0) of them do.
_SHARES = _sql(
    """
    WITH priced AS (
        SELECT o.obligation_id, o.amount_minor, m.posted_on, m.kind, m.issuer_id, m.partner_id, m.issued_on, m.points,
               m.postings, m.points * ({price}) AS exact
        FROM ({moved}) m {agreement}
        JOIN unnest({ids}, {kinds}, {agreements}, {payers}, {payees}, {amounts})
            AS o (obligation_id, kind, agreement_id, payer_id, payee_id, amount_minor)
            ON (o.kind, o.agreement_id) = (m.kind, a.agreement_id) AND o.payer_id = {payer} AND o.payee_id = {payee}
        WHERE m.kind = ANY({wanted})
    ),
    ranked AS (
        SELECT obligation_id, posted_on, kind, issuer_id, partner_id, issued_on, points, floor(exact) AS whole,
               sum(postings) OVER (PARTITION BY obligation_id, exact - floor(exact)) AS equal,
               amount_minor - sum(postings * floor(exact)) OVER (PARTITION BY obligation_id)
               + sum(postings) OVER (PARTITION BY obligation_id, exact - floor(exact))
               - sum(postings) OVER (PARTITION BY obligation_id ORDER BY exact - floor(exact) DESC) AS more
        FROM priced
    ),
    share AS MATERIALIZED (
        SELECT obligation_id, posted_on, kind, issuer_id, partner_id, issued_on, points, whole::bigint AS whole, more,
               CASE WHEN more >= equal THEN 1 WHEN more <= 0 THEN 0 END AS given FROM ranked
    ),
    line AS (
        SELECT s.obligation_id, s.posted_on, s.whole, s.more, s.given, m.*
        FROM share s
        JOIN coalition.flow_lines_on({day}, {wanted}) m USING (kind, issuer_id, partner_id, issued_on, points)
        WHERE s.posted_on = {day}
        UNION ALL
        SELECT s.obligation_id, s.posted_on, s.whole, s.more, s.given, m.*
        FROM (SELECT DISTINCT posted_on FROM share WHERE posted_on < {day}) earlier
        CROSS JOIN LATERAL (
            SELECT kind, issuer_id, partner_id, issued_on, points, txn_id, seq, reference, concerns,
                   location_id
            FROM coalition.flow_lines_on(earlier.posted_on, {wanted}) OFFSET 0  -- of one day after the other
        ) m
        JOIN share s USING (posted_on, kind, issuer_id, partner_id, issued_on, points)
    )
    SELECT obligation_id, (row_number() OVER in_order)::int AS n, txn_id, seq, posted_on, issued_on, concerns,
           reference, location_id, points,
           whole + coalesce(given, (count(*) FILTER (WHERE given IS NULL) OVER in_order <= more)::int) AS amount_minor
    FROM line
    WINDOW in_order AS (PARTITION BY obligation_id ORDER BY issued_on, posted_on, txn_id, seq ROWS UNBOUNDED PRECEDING)
    """,
    moved=_MOVED, left_out=_LEFT_OUT, agreement=_AGREEMENT, terms=AGREED, payer=_PAYER, payee=_PAYEE, price=_PRICE,
    source="flow_sizes_on", day="CAST(%(day)s AS date)", fund="CAST(%(fund)s AS uuid)", late="CAST(%(late)s AS date[])",
    ids="%(ids)s::uuid[]", kinds="%(kinds)s::text[]", wanted="%(wanted)s::text[]", agreements="%(agreements)s::uuid[]",
    payers="%(payers)s::uuid[]", payees="%(payees)s::uuid[]", amounts="%(amounts)s::bigint[]",
)  # fmt: skip
_KEEP_LINES = f"""
    INSERT INTO settlement.line (obligation_id, n, txn_id, seq, posted_on, issued_on, concerns, reference, location_id,
                                 points, amount_minor) {_SHARES} RETURNING {line_hashes.HASHED}
"""
_LINES_AGAIN, _LINES_AGAIN_BEFORE = (
    f"SELECT {hashed} FROM ({_SHARES}) again"  # noqa: S608
    for hashed in (line_hashes.HASHED, line_hashes.HASHED_BEFORE)
)


def keep(session: Session, day: date, owed: Sequence[Obligation]) -> list[Kept]:
    """Write the obligations of a day down, with their lines."""
    made = [Kept(**vars(one), obligation_id=ids.new(), lines_digest=None) for one in owed]
    digests = line_hashes.of(session, _KEEP_LINES, _of(session, day, made))
    locations.keep(session, [one.obligation_id for one in made])
    kept = [replace(one, lines_digest=digests.get(one.obligation_id, line_hashes.NO_LINES)) for one in made]
    if kept:
        session.execute(
            text("""
                INSERT INTO settlement.obligation (obligation_id, day, payer_id, payee_id, kind, agreement_id, currency,
                                                   points, amount_minor, cycle, lines_digest)
                VALUES (:obligation_id, :day, :payer_id, :payee_id, :kind, :agreement_id, :currency, :points,
                        :amount_minor, :cycle, :lines_digest)
            """),
            [vars(one) for one in kept],
        )
    return kept


def of_days(session: Session, first: date, last: date, *, cycle: str | None = None) -> list[Kept]:
    """The kept obligations of the days from `first` to `last`, in the order of their keys; of one cycle, if given."""
    rows = session.execute(
        text("""
            SELECT day, payer_id, payee_id, kind, agreement_id, currency, points, amount_minor, cycle, obligation_id,
                   lines_digest
            FROM settlement.obligation
            WHERE day BETWEEN :first AND :last AND (CAST(:cycle AS text) IS NULL OR cycle = :cycle)
        """),
        {"first": first, "last": last, "cycle": cycle},
    )
    return sorted((Kept(*row) for row in rows), key=lambda one: one.key)


def content_hash(kept: Iterable[Kept]) -> bytes:
    """SHA-256 over a day's obligations: for each, in order, a line of its key, points, amount, cycle and digest."""
    digest = sha256()
    for one in kept:
        lines = one.lines_digest.hex() if one.lines_digest else ""
        said = (*one.key, str(one.points), str(one.amount_minor), one.cycle, lines)
        digest.update(("|".join(said) + "\n").encode())
    return digest.digest()


def first_difference(session: Session, day: date) -> str | None:
    """How what is kept of a day differs from what it comes out as; None: not at all."""
    kept = of_days(session, day, day)
    there, due = Counter(_plain(one) for one in kept), Counter(calculate(session, day))
    for odd in sorted((there - due).keys() | (due - there).keys(), key=lambda one: one.key):
        shown = f"{odd.kind} of {odd.amount_minor} {odd.currency} from {odd.payer_id} to {odd.payee_id}"
        return f"obligation: {shown} is kept {there[odd]} times and comes out {due[odd]} times"
    with_lines = [one for one in kept if one.lines_digest is not None]
    there_now = line_hashes.of_kept(session, [one.obligation_id for one in with_lines])
    again = line_hashes.of(session, _LINES_AGAIN, _of(session, day, with_lines))
    if wrong := [one for one in with_lines if again.get(one.obligation_id, line_hashes.NO_LINES) != one.lines_digest]:
        # A night of the version before, beside tills of this one, kept lines without their locations.
        again |= line_hashes.of(session, _LINES_AGAIN_BEFORE, _of(session, day, wrong))
    if (odd_share := locations.first_difference(session, [one.obligation_id for one in kept])) is not None:
        return odd_share
    for one in with_lines:
        if there_now.get(one.obligation_id, line_hashes.NO_LINES) != one.lines_digest:
            return f"lines of {one.kind} from {one.payer_id} to {one.payee_id}: not those that were kept"
        if again.get(one.obligation_id, line_hashes.NO_LINES) != one.lines_digest:
            return f"lines of {one.kind} from {one.payer_id} to {one.payee_id}: other lines come out"
    return None


def _plain(one: Kept) -> Obligation:
    return Obligation(**{each.name: getattr(one, each.name) for each in fields(Obligation)})


def _of(session: Session, day: date, owed: Sequence[Kept]) -> dict[str, Any]:
    """The parameters of _SHARES."""
    lined = [one for one in owed if one.kind in WITH_LINES]
    return {
        "day": day,
        "fund": programme.get(session).programme_id,
        "late": _late_days(session, day),
        "ids": [one.obligation_id for one in lined],
        "kinds": [one.kind for one in lined],
        "wanted": sorted({one.kind for one in lined}),
        "agreements": [one.agreement_id for one in lined],
        "payers": [one.payer_id for one in lined],
        "payees": [one.payee_id for one in lined],
        "amounts": [one.amount_minor for one in lined],
    }
