"""What a scenario is, and what it can come to: plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

How = TypeVar("How")
MOST_EVIDENCE = 5


class Outcome(StrEnum):
    """Whether it was done right, done wrong, or not at all."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SEEN = "not seen"


@dataclass(frozen=True)
class Result:
    """An outcome and what it rests on, a line each: ids of requests, answers of an endpoint."""

    outcome: Outcome
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario(Generic[How]):
    """One thing an integration has to do right: what that proves, how to mend it, and how it is found out."""

    code: str
    title: str
    proves: str
    remedy: str
    how: How


@dataclass(frozen=True)
class Finding:
    """What one scenario came to."""

    code: str
    title: str
    proves: str
    remedy: str
    result: Result


def found(scenario: Scenario[How], result: Result) -> Finding:
    """What `scenario` came to."""
    return Finding(scenario.code, scenario.title, scenario.proves, scenario.remedy, result)


def passed(evidence: Sequence[str]) -> Result:
    """It was done right."""
    return Result(Outcome.PASSED, _some(evidence))


def failed(evidence: Sequence[str]) -> Result:
    """It was done wrong."""
    return Result(Outcome.FAILED, _some(evidence))


def result_of(*, wrong: Sequence[str], right: Sequence[str]) -> Result:
    """Failed if anything was wrong, passed if something was right and nothing wrong, else not seen."""
    if wrong:
        return failed(wrong)
    return passed(right) if right else Result(Outcome.NOT_SEEN)


def _some(evidence: Sequence[str]) -> tuple[str, ...]:
    more = len(evidence) - MOST_EVIDENCE
    return (*evidence[:MOST_EVIDENCE], *([f"and {more} more"] if more > 0 else []))
