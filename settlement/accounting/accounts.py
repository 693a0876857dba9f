"""Which account of a company's books each settlement is posted to: defaults, and a small file that says otherwise.

A file (TOML, or JSON with the same names) has tables: `[partner]` for every partner, `[coalition]` for the coalition's
own books, and `[company.CODE]` for one company. In each, a name of ROLES gives an account. `{company}` in it stands for
the company's code, such as `Greengrocer` for greengrocer.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kit.errors import Invalid
from partners.codes import COALITION
from settlement.kinds import KINDS

LONGEST_FILE_BYTES = 1_000_000
LONGEST_ACCOUNT = 200
BANK, TRANSIT, CLEARING, COVER = MONEY = ("bank", "transit", "clearing", "cover")
OWES, RECEIVES = "owes", "receives"
ROLES = (*MONEY, *(f"{side}_{kind}" for side in (OWES, RECEIVES) for kind in KINDS))
_ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
_PLACE = re.compile(r"\{company\}")

# What somebody owes stands in `clearing` until it is paid, money on its way in `transit`, and what the coalition paid
# in the place of a partner in default in `cover`.
_MONEY = {BANK: "Assets:{company}:Bank", TRANSIT: "Assets:{company}:Transit", CLEARING: "Assets:{company}:Settlement",
          COVER: "Liabilities:{company}:Default"}  # fmt: skip
_WORDS = {
    "redemption": "Points:Redeemed", "issue": "Points:Issued", "breakage": "Points:Breakage", "fee": "Fees",
    "fee_minimum": "Fees:Minimum", "promotion": "Promotions", "adjustment": "Adjustments", "dispute": "Disputes",
}  # fmt: skip
PARTNER_DEFAULTS = {
    **_MONEY,
    **{f"{OWES}_{kind}": f"Expenses:{{company}}:{words}" for kind, words in _WORDS.items()},
    **{f"{RECEIVES}_{kind}": f"Income:{{company}}:{words}" for kind, words in _WORDS.items()},
    "owes_vat": "Assets:{company}:VAT",
    "receives_vat": "Liabilities:{company}:VAT",
}
# The fund is no income of the coalition's: it is paid for points and pays for them, and what is left is owed for those
# that are outstanding.
COALITION_DEFAULTS = {
    **PARTNER_DEFAULTS,
    COVER: "Assets:{company}:Defaults",
    **{f"{side}_{kind}": "Liabilities:{company}:Fund" for side in (OWES, RECEIVES)
       for kind in ("redemption", "issue", "breakage")},
}  # fmt: skip


class AccountsRefused(Invalid):
    code = "accounts_refused"
    title = "Account file refused"
    description = (
        "The file of accounts is no TOML or JSON, is too large, or names a table, a role, a company or an account that "
        "there can't be."
    )
    remedy = "Correct what `detail` names. An account is written as `Assets:Bank:Current`."


@dataclass(frozen=True)
class Accounts:
    """The accounts by company and role."""

    said: Mapping[str, Mapping[str, str]]

    def of(self, company: str, role: str) -> str:
        """The account of `company`, by its code, for a role of ROLES."""
        defaults = COALITION_DEFAULTS if company == COALITION else PARTNER_DEFAULTS
        for table in (f"company.{company}", COALITION if company == COALITION else "partner"):
            if (found := self.said.get(table, {}).get(role)) is not None:
                return _named(found, company)
        return _named(defaults[role], company)


def _named(account: str, company: str) -> str:
    return _PLACE.sub(company[:1].upper() + company[1:], account)


DEFAULT = Accounts({})


def read(content: bytes, *, companies: Collection[str]) -> Accounts:
    """The accounts that a file says; `companies` are the codes there are. Raises AccountsRefused."""
    if len(content) > LONGEST_FILE_BYTES:
        raise AccountsRefused(f"a file of accounts has at most {LONGEST_FILE_BYTES} bytes")
    tables: dict[str, Mapping[str, str]] = {}
    for name, table in _parsed(content).items():
        if name == "company":
            for code, of_one in _table(table, name).items():
                if code not in companies:
                    raise AccountsRefused(f"there is no company {code[:40]!r}")
                tables[f"company.{code}"] = _roles(of_one, f"company.{code}")
        elif name in ("partner", COALITION):
            tables[name] = _roles(table, name)
        else:
            raise AccountsRefused(f"{name[:40]!r}: the tables are partner, coalition and company.CODE")
    return Accounts(tables)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        written = content.decode("utf-8-sig")
        found: Any = json.loads(written) if written.lstrip().startswith("{") else tomllib.loads(written)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise AccountsRefused(f"it is neither TOML nor JSON: {str(error)[:100]}") from None
    return _table(found, "the file")


def _table(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise AccountsRefused(f"{where} is no table")
    return found


def _roles(found: Any, where: str) -> dict[str, str]:
    for role, account in _table(found, where).items():
        if role not in ROLES:
            raise AccountsRefused(f"{where}: {role[:40]!r} is none of {', '.join(ROLES)}")
        if not isinstance(account, str) or not _is_account(_named(account, "x")):
            raise AccountsRefused(f"{where}.{role}: {str(account)[:40]!r} is no account such as Assets:Bank:Current")
    return dict(found)


def _is_account(account: str) -> bool:
    """Whether beancount takes it for one, which asks for more than hledger does."""
    root, *parts = account.split(":")
    return len(account) <= LONGEST_ACCOUNT and root in _ROOTS and bool(parts) and all(map(_is_part, parts))


def _is_part(part: str) -> bool:
    begins = part[:1].isdecimal() or (part[:1].isalpha() and part[:1].upper() == part[:1])
    return begins and all(one.isalpha() or one.isdecimal() or one == "-" for one in part)
