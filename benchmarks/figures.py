"""Figures: what the runs of a benchmark came to beside its reference; printed as a table, kept as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

LATEST = Path(__file__).parent / "out" / "latest.json"


@dataclass(frozen=True)
class Run:
    """One run and the reference measured beside it, each as an amount of work done in so many seconds."""

    work: float
    seconds: float
    reference_work: float
    reference_seconds: float
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """What was measured, per second."""
        return self.work / self.seconds

    @property
    def reference_per_second(self) -> float:
        """The reference, per second."""
        return self.reference_work / self.reference_seconds


@dataclass(frozen=True)
class Figure:
    """The runs of one benchmark; rates are compared, or times when `is_time` (then smaller is better).

    `details` are what else is to be known of all its runs, for programs.
    """

    key: str
    unit: str
    reference: str
    runs: list[Run]
    is_time: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The median over the reference's median."""
        if self.is_time:
            return self.seconds / self.reference_seconds
        return self.per_second / self.reference_per_second

    @property
    def per_second(self) -> float:
        """The median rate."""
        return median(run.per_second for run in self.runs)

    @property
    def reference_per_second(self) -> float:
        """The reference's median rate."""
        return median(run.reference_per_second for run in self.runs)

    @property
    def seconds(self) -> float:
        """The median time of a run."""
        return median(run.seconds for run in self.runs)

    @property
    def reference_seconds(self) -> float:
        """The median time of the reference."""
        return median(run.reference_seconds for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        times = {"seconds": round(self.seconds, 3), "reference_seconds": round(self.reference_seconds, 3)}
        return {
            "ratio": round(self.ratio, 3),
            "better": "smaller" if self.is_time else "larger",
            "unit": self.unit,
            "reference": self.reference,
            "per_second": round(self.per_second, 1),
            "reference_per_second": round(self.reference_per_second, 1),
            **(times if self.is_time else {}),
            **self.details,
            "runs": [self._run_as_json(run) for run in self.runs],
        }

    def _run_as_json(self, run: Run) -> dict[str, Any]:
        if self.is_time:
            shown = {"seconds": round(run.seconds, 3), "reference_seconds": round(run.reference_seconds, 3)}
        else:
            shown = {
                "per_second": round(run.per_second, 1),
                "reference_per_second": round(run.reference_per_second, 1),
            }
        return {**shown, **run.details}


def table(figures: list[Figure], conditions: dict[str, Any]) -> str:
    """The figures for people, with what they were measured on above them."""
    head = ("", "ratio", "measured", "reference", "of")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    facts = [f"{name}: {value}" for name, value in conditions.items()]
    return "\n".join([*facts, "", lines[0], "-" * (sum(widths) + 2 * len(widths)), *lines[1:]])


def _row(figure: Figure) -> tuple[str, ...]:
    if figure.is_time:
        measured, reference = f"{figure.seconds:.2f} s", f"{figure.reference_seconds:.2f} s"
        note = f" ({figure.unit}; time against time: smaller is better)"
    else:
        measured, reference = f"{figure.per_second:,.0f}/s", f"{figure.reference_per_second:,.0f}/s"
        note = f" ({figure.unit})"
    return figure.key, f"{figure.ratio:.2f}", measured, reference, figure.reference + note


def keep(figures: list[Figure], conditions: dict[str, Any], path: Path = LATEST) -> None:
    """Write the figures of this run; those of earlier ones are not mixed in."""
    path.parent.mkdir(exist_ok=True)
    content = {**{figure.key: figure.as_json() for figure in figures}, "conditions": conditions}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
