"""What a database's catalogue says of our functions: how each reads, and who may call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row

from migrations.sources import ROOMS

GRANTABLE = " WITH GRANT OPTION"
_FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS signature, n.nspname || '.' || p.proname AS name,
           pg_get_functiondef(p.oid) AS definition, p.ctid::text AS version,
           p.proowner = n.nspowner AS is_the_owners,
           array(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                        || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
                 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                 WHERE a.grantee <> p.proowner ORDER BY 1) AS callers
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    WHERE n.nspname = ANY (%s) AND l.lanname <> 'internal'  -- the constructors of range types
    ORDER BY 1
"""


@dataclass(frozen=True)
class Function:
    """A function as the catalogue has it, its owner left out of its `callers`."""

    signature: str
    name: str
    definition: str
    callers: Sequence[str]
    version: str  # another one whenever the function is replaced
    is_the_owners: bool  # who owns the room's schema owns it

    @property
    def says(self) -> tuple[str, tuple[str, ...], bool]:
        """All that a source decides of it."""
        return self.definition, tuple(self.callers), self.is_the_owners


def functions(connection: Connection[Any]) -> dict[str, Function]:
    """Every function of ours, by its signature."""
    with connection.cursor(row_factory=class_row(Function)) as cursor:
        return {each.signature: each for each in cursor.execute(_FUNCTIONS, [list(ROOMS)])}


def forget_grants(connection: Connection[Any], named: Sequence[Function]) -> None:
    """Leave nobody but the owner and PUBLIC the right to call them: as a function that was just made."""
    for each in named:
        for caller in each.callers:
            who = caller.removesuffix(GRANTABLE)
            to = sql.SQL("PUBLIC") if who == "PUBLIC" else sql.Identifier(who)
            connection.execute(sql.SQL(f"REVOKE EXECUTE ON FUNCTION {each.signature} FROM {{}}").format(to))
        connection.execute(f"GRANT EXECUTE ON FUNCTION {each.signature} TO PUBLIC")
