"""Write the table of events into docs/webhooks.md: `python -m tests.pin_events`, and whenever the API is pinned."""

from __future__ import annotations

import re
from pathlib import Path

from coalition.event_types import EVENT_TYPES, EventType

DOCUMENT = Path(__file__).parents[1] / "docs" / "webhooks.md"
BEGIN = "<!-- Made of the catalogue: python -m tests.pin_events -->"
END = "<!-- As far as here. -->"


def table() -> str:
    """Every kind of event with its fields, as Markdown."""
    return "\n".join(_section(kind) for kind in EVENT_TYPES.values())


def with_table(text: str) -> str:
    """`text` of the document with the table of today in it; raises ValueError where it has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("docs/webhooks.md has no place for the table of events")
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def _section(kind: EventType) -> str:
    lines = [f"### `{kind.name}`", "", kind.description, "", "| field | type | what it means |", "|---|---|---|"]
    for field in kind.every_field:
        said = field.description + (" **Personal data.**" if field.is_personal else "")
        said += " Not always there." if field in kind.may_have else ""
        lines.append(f"| `{field.name}` | {_type(field.kind)} | {said} |")
    return "\n".join([*lines, ""])


def _type(kind: dict[str, object]) -> str:
    named = kind["type"] if isinstance(kind["type"], list) else [kind["type"]]
    prefix = re.match(r"\^(\w+)_$", str(kind.get("pattern", "")))
    found = f"{prefix[1]}_…" if prefix else str(kind.get("format") or named[0])
    return " or ".join([found, *(str(one) for one in named[1:])])


def pin() -> None:
    """Write the table of today."""
    DOCUMENT.write_text(with_table(DOCUMENT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    pin()
