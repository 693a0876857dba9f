"""What a certification came to, as Markdown for people and as data for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops.certify.results import Finding, Outcome

SIGNS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_SEEN: "–"}


@dataclass(frozen=True)
class Part:
    """One side of it: what the partner's client did, or how one endpoint answered."""

    title: str
    findings: Sequence[Finding]


@dataclass(frozen=True)
class Report:
    """A certification of one partner; `requests` is how many of its requests were looked at, since when."""

    partner: str
    at: datetime
    since: datetime
    requests: int
    parts: Sequence[Part]

    @property
    def outcomes(self) -> Counter[Outcome]:
        """How many scenarios came to what."""
        return Counter(finding.result.outcome for part in self.parts for finding in part.findings)

    @property
    def is_certified(self) -> bool:
        """Whether everything was seen, and done right."""
        return set(self.outcomes) == {Outcome.PASSED}

    def as_data(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "partner": self.partner,
            "at": self.at.isoformat(),
            "since": self.since.isoformat(),
            "requests": self.requests,
            "certified": self.is_certified,
            "outcomes": {outcome.value: self.outcomes[outcome] for outcome in Outcome},
            "parts": [
                {"title": part.title, "findings": [finding_as_data(finding) for finding in part.findings]}
                for part in self.parts
            ],
        }

    def as_markdown(self) -> str:
        """The report for people."""
        counted = ", ".join(f"{self.outcomes[outcome]} {outcome.value}" for outcome in Outcome)
        word = "certified" if self.is_certified else "not certified"
        window = f"{self.since:%Y-%m-%d %H:%M %Z} to {self.at:%Y-%m-%d %H:%M %Z}"
        lines = [
            f"# Certification of {self.partner}: {word}",
            "",
            f"{counted}. We looked at {self.requests} requests, from {window}.",
        ]
        for part in self.parts:
            lines += ["", f"## {part.title}", ""]
            for finding in part.findings:
                lines += finding_as_lines(finding)
        return "\n".join(lines) + "\n"


def finding_as_data(finding: Finding) -> dict[str, Any]:
    """One finding for programs."""
    result = finding.result
    facts = {"code": finding.code, "title": finding.title, "proves": finding.proves, "outcome": result.outcome.value}
    remedy = {} if result.outcome == Outcome.PASSED else {"remedy": finding.remedy}
    return {**facts, **remedy, "evidence": list(result.evidence)}


def finding_as_lines(finding: Finding) -> list[str]:
    """One finding for people."""
    outcome = finding.result.outcome
    lines = [f"- {SIGNS[outcome]} **{finding.title}** ({outcome.value}). {finding.proves}"]
    lines += [f"    - `{line}`" for line in finding.result.evidence]
    if outcome != Outcome.PASSED:
        lines.append(f"    - What to do: {finding.remedy}")
    return lines
