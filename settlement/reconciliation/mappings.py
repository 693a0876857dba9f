"""How a partner's file is read: which of its columns or fields mean what, and how they are written. In versions."""

from __future__ import annotations

from collections.abc import Mapping as Values
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from psycopg.types.json import Jsonb
from sqlalchemy import text

from coalition.identifiers import KIND_OF_FIELD
from kit import audit, money
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Invalid, NotFound
from partners import accounts

CSV = "csv"
FORMATS = (CSV, "jsonl")
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp1252", "iso-8859-1", "iso-8859-5", "koi8-r")
EARN = "earn"
KINDS = (EARN, "burn", "reversal", "clawback")
MEMBER_ID = "member_id"
MEMBER_BY = (MEMBER_ID, *KIND_OF_FIELD)
MAJOR, MINOR = UNITS = ("major", "minor")
ISO = "iso"
REFERENCE, DAY, KIND, POINTS, AMOUNT, CURRENCY, MEMBER, STORE = WANTED = (
    "reference", "day", "kind", "points", "amount", "currency", "member", "store",
)  # fmt: skip
FIELDS = "fields"
CONSTANT = (KIND, CURRENCY, STORE)
MOST_KINDS = 50
LONGEST = 100  # characters of a name or a word in a mapping
LARGEST_BYTES = 64 * 1024
_DATE_PARTS = "YmdHMSfzybBjIp"


class MappingMissing(NotFound):
    code = "mapping_missing"
    title = "Mapping missing"
    description = "Nobody has said yet how this partner's files are to be read."
    remedy = "Say it with `coalition settlement mapping set`. The page about reconciling shows an example."


class MalformedMapping(Invalid):
    code = "malformed_mapping"
    title = "Malformed mapping"
    description = (
        "The mapping of a partner's file lacks something, or says something that we do not know. We kept nothing of it."
    )
    remedy = "Correct what `detail` names, and set the mapping again."


@dataclass(frozen=True)
class Mapping:
    """What a file says where. `fields` are the names of columns, or paths such as `sale.total` in JSON.

    A time is taken for a day in `time_zone` if it names no zone itself. `kinds` says what the words of the file mean;
    None leaves lines of that kind out. `signed_points`: points may be negative, and the kind says what they mean.
    """

    fields: dict[str, str]
    format: str = CSV
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal_separator: str = "."
    thousands_separator: str = ""
    date_format: str = ISO
    time_zone: str | None = None
    amounts_in: str = MAJOR
    signed_points: bool = False
    member_by: str = MEMBER_ID
    constants: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A version of a partner's mapping, from 1; the last one counts."""

    partner_id: UUID
    version: int
    mapping: Mapping
    set_at: datetime
    set_by: str


def parse(said: object) -> Mapping:
    """The mapping in the JSON object `said`; raises MalformedMapping, which names the first fault."""
    if not isinstance(said, dict):
        raise MalformedMapping("a mapping is a JSON object")
    known = Mapping.__dataclass_fields__
    if unknown := sorted(said.keys() - known.keys()):
        raise MalformedMapping(f"{unknown[0][:LONGEST]!r} means nothing here; there are {', '.join(known)}")
    if FIELDS not in said:
        raise MalformedMapping("fields: say which columns or fields mean what")
    for name, value in said.items():
        wanted = _TYPES.get(name, str)
        if not isinstance(value, wanted):
            raise MalformedMapping(f"{name}: this is not {_CALLED[wanted]}")
        if isinstance(value, str) and len(value) > LONGEST:
            raise MalformedMapping(f"{name}: this is longer than {LONGEST} characters")
    made = Mapping(**said)
    _check_words(made)
    _check_fields(made)
    _check_kinds(made)
    return made


_TYPES: dict[str, type] = {FIELDS: dict, "constants": dict, "kinds": dict, "signed_points": bool}
_CALLED = {str: "text", dict: "an object", bool: "true or false"}


def _check_words(made: Mapping) -> None:
    for name, choice in (
        ("format", FORMATS), ("encoding", ENCODINGS), ("amounts_in", UNITS), ("member_by", MEMBER_BY),
        ("decimal_separator", (".", ",")), ("thousands_separator", ("", ".", ",", " ", "\u00a0", "\u202f", "'")),
        ("delimiter", (",", ";", "\t", "|")),
    ):  # fmt: skip
        if getattr(made, name) not in choice:
            raise MalformedMapping(f"{name}: give one of {', '.join(map(repr, choice))}")
    if made.decimal_separator == made.thousands_separator:
        raise MalformedMapping("thousands_separator: this is the decimal separator")
    if made.time_zone is not None and made.time_zone not in available_timezones():
        raise MalformedMapping("time_zone: give a name such as Europe/London")
    parts = [part[:1] for part in made.date_format.split("%")[1:]]
    known = parts and made.date_format.isprintable() and all(part and part in _DATE_PARTS for part in parts)
    if made.date_format != ISO and not known:
        raise MalformedMapping("date_format: give `iso`, or a pattern such as %d.%m.%Y")
    if len(set(parts)) < len(parts):
        raise MalformedMapping("date_format: a part of it stands there twice")


def _check_fields(made: Mapping) -> None:
    for where, allowed in ((FIELDS, WANTED), ("constants", CONSTANT)):
        for name, value in getattr(made, where).items():
            if name not in allowed:
                raise MalformedMapping(f"{where}.{str(name)[:LONGEST]}: there are {', '.join(allowed)}")
            if not isinstance(value, str) or not 1 <= len(value) <= LONGEST or not value.isprintable():
                raise MalformedMapping(f"{where}.{name}: give 1 to {LONGEST} printable characters")
    _check_what_there_is(made)


def _check_what_there_is(made: Mapping) -> None:
    if both := sorted(made.fields.keys() & made.constants.keys()):
        raise MalformedMapping(f"{both[0]}: this is a field and a constant")
    has = made.fields.keys() | made.constants.keys()
    for name in (DAY, KIND, POINTS):
        if name not in has:
            raise MalformedMapping(f"{name}: say where it stands")
    if not has & {REFERENCE, MEMBER}:
        raise MalformedMapping("fields: lines are found by `reference` or by `member`; say where one of them stands")
    if (AMOUNT in has) != (CURRENCY in has):
        raise MalformedMapping("amount and currency go together")
    if made.constants.get(CURRENCY, "GBP") not in money.currencies():
        raise MalformedMapping("constants.currency: give the three letters of a currency (ISO 4217)")


def _check_kinds(made: Mapping) -> None:
    if made.constants.get(KIND, EARN) not in KINDS:
        raise MalformedMapping(f"constants.kind: give one of {', '.join(KINDS)}")
    if len(made.kinds) > MOST_KINDS:
        raise MalformedMapping(f"kinds: there are more than {MOST_KINDS}")
    for word, meant in made.kinds.items():
        if not 1 <= len(word) <= LONGEST or not word.isprintable():
            raise MalformedMapping(f"kinds: a word of the file is 1 to {LONGEST} printable characters")
        if meant is not None and meant not in KINDS:
            raise MalformedMapping(f"kinds.{word}: give one of {', '.join(KINDS)}, or null to leave it out")


def put(session: Session, act: Act, *, partner_id: UUID, said: object) -> Kept:
    """Read the partner's files by the mapping `said` from now on; the same again changes nothing.

    Raises PartnerNotFound, MalformedMapping.
    """
    partner = accounts.by_id(session, partner_id)
    mapping = parse(said)
    wait_for_lock(session, f"settlement.mapping {partner_id}")
    before = _last(session, partner_id)
    if before is not None and before.mapping == mapping:
        return before
    made = Kept(partner_id, before.version + 1 if before else 1, mapping, act.now, act.decider)
    session.execute(
        text("""
            INSERT INTO settlement.partner_mapping (partner_id, version, mapping, set_at, set_by)
            VALUES (:partner_id, :version, :mapping, :set_at, :set_by)
        """),
        {**vars(made), "mapping": Jsonb(asdict(mapping))},
    )
    audit.append(session, act, "settlement.mapping_set", partner, version=made.version)
    return made


def current(session: Session, partner_id: UUID) -> Kept:
    """How the partner's files are read; raises MappingMissing."""
    found = _last(session, partner_id)
    if found is None:
        raise MappingMissing("nobody has set a mapping for this partner")
    return found


def _last(session: Session, partner_id: UUID) -> Kept | None:
    row = session.execute(
        text("""
            SELECT partner_id, version, mapping, set_at, set_by FROM settlement.partner_mapping
            WHERE partner_id = :partner_id ORDER BY version DESC LIMIT 1
        """),
        {"partner_id": partner_id},
    ).first()
    if row is None:
        return None
    said: Values[str, Any] = row.mapping
    return Kept(row.partner_id, row.version, Mapping(**said), row.set_at, row.set_by)
