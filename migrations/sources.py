"""Today's functions of the database: the files of `<room>/**/sql/`, which people read and edit.

Migrations hold frozen copies of them, made by `python -m migrations.freeze`; tests/coalition/test_catalogue.py compares
a migrated database with the sources, so the two can't drift apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("kit", "coalition", "partners", "settlement", "webhooks")  # a room's functions call those before it
_BEGINS = re.compile(r"\n\n(?=(?:--[^\n]*\n)*CREATE OR REPLACE FUNCTION )")
_NAME = re.compile(r"^CREATE OR REPLACE FUNCTION ([a-z_.]+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """One function: its qualified name, its definition with the comment above it, and who may call it."""

    name: str
    definition: str
    grants: str

    @property
    def text(self) -> str:
        """As it stands in its file."""
        return "\n".join(part for part in (self.definition, self.grants) if part)


def files() -> list[Path]:
    """Every file of functions, in the order in which they may be run."""
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("sql/*.sql"))]


def functions() -> list[Source]:
    """Every function, in the order of the files; raises ValueError where a file holds anything else."""
    found = []
    for path in files():
        for part in _BEGINS.split(path.read_text("utf-8").strip()):
            names = _NAME.findall(part)
            definition, body, grants = part.rpartition("$$;")
            if len(names) != 1 or not body:
                raise ValueError(f"{path} holds something that is not one function: {part[:80]!r}")
            found.append(Source(names[0], definition + body, grants.strip()))
    return found
